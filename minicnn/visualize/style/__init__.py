"""Style transfer: by optimization of the image, and by one pass of a trained network."""
