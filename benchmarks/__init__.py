"""Measurements beside peers: `python -m benchmarks.<name>` prints one table, and `--help` says what is in it."""
