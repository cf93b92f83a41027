"""Code that several demos share: the command line, inputs, outputs and long runs."""
