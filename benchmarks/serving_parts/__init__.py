"""What `benchmarks.serving` measures."""
