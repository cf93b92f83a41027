"""One script for each technique: minicnn saliency photo.jpg. `minicnn list` names them all."""

import sys

if sys.argv[:1] == ["-m"]:  # Python is looking for the module of minicnn NAME: nothing else is imported yet
    from minicnn.program import start

    start("minicnn gallery")
