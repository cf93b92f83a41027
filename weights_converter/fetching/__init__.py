"""Download published weights files and convert them: minicnn fetch NAME."""
