"""Chains of layers that several threads compute side by side, each thread its rows of every map."""
