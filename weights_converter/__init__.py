"""Convert published weights of other frameworks to minicnn's HDF5 format: minicnn convert SOURCE."""

import sys

if sys.argv[:1] == ["-m"]:  # Python is looking for the module to run: nothing else is imported yet
    from minicnn.program import start

    start("minicnn")
