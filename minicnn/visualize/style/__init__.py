"""Style transfer: by optimization, and by one pass of a trained network."""
