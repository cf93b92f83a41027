"""Training: mini-batches, the training loop, augmentation, and decoders."""
