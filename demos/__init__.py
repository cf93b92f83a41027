"""One script for each technique: python -m demos.saliency photo.jpg. `python -m demos list` names them all."""
