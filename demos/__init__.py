"""One script for each technique: python -m demos.saliency photo.jpg. `python -m demos list` names them all."""

import sys

if sys.argv[:1] == ["-m"]:  # Python is looking for the module of python -m demos.NAME: nothing else is imported yet
    from minicnn.program import start

    start("python -m demos")
