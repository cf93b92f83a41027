"""Download published weights files."""
