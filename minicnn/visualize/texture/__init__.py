"""Texture synthesis: by copying pixels from a sample, and by matching Gram matrices."""
