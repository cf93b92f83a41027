"""Texture synthesis: pixel by pixel, and by Gram matrices."""
