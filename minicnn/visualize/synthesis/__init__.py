"""Pictures made by optimization: class and neuron visualization, inversion, DeepDream, fooling images."""
