"""Pictures made by optimization: class visualization, inversion, DeepDream, fooling images."""
