"""Convert published weights of other frameworks to minicnn's HDF5 format: python -m weights_converter SOURCE."""
