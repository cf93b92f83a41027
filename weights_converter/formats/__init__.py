"""File formats of weights: one reader for each. `containers.py` recognises the format and opens the file."""
