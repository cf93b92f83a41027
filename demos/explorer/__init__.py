"""The explorer: a local page that shows a network's maps, channels and classes while it computes them."""
