"""One thin script per technique: python -m demos.saliency photo.jpg; python -m demos makes the whole gallery."""
