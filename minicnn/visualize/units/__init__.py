"""What single units respond to: the filters, the activations of a photo, and the patches with the largest activations.
"""
