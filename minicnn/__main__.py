"""python -m minicnn runs the command minicnn, which is installed with the package."""

import sys
from importlib import import_module

from minicnn import program

if __name__ == "__main__":
    program.start("minicnn")
    sys.exit(import_module("minicnn.demos.console").main())
