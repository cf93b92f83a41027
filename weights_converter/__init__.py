"""Turn weights as other frameworks publish them into minicnn's HDF5: python -m weights_converter SOURCE."""
