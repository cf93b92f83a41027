"""Code that several demos share: the command line, the choice of network and photos, long runs, and output files."""
