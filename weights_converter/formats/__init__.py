"""One reader for each container of weights."""
