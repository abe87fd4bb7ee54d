"""Measurements beside peers: `python -m benchmarks.<name>` prints one table, and `--help` says what is in it."""

import os

# As commands set it.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
