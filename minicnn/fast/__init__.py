"""Faster ways to compute what the definition in minicnn.layers and minicnn.network computes."""
