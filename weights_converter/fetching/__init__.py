"""Download published weights files and convert them: python -m weights_converter fetch NAME."""
