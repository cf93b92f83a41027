"""One script for each technique, which `minicnn NAME` runs, and `minicnn NAME` in a checkout."""

import sys

if sys.argv[:1] == ["-m"]:  # Python is looking for the module of minicnn NAME: nothing else is imported yet
    from minicnn.program import start

    start("minicnn")
