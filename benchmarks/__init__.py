"""Measurements beside peers: `python -m benchmarks.<name>` prints one table, and `--help` says what is in it."""

import kerasmlsp  # noqa: F401  before TensorFlow, for the settings of commands
