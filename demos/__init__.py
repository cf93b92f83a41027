"""One script for each technique, which `minicnn NAME` runs, and `python -m demos.NAME` in a checkout."""

import sys

if sys.argv[:1] == ["-m"]:  # Python is looking for the module of python -m demos.NAME: nothing else is imported yet
    from minicnn.program import start

    start("minicnn")
