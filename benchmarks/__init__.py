"""Benchmarks: speed on CPU and GPU, errors of released implementations, and the lab itself; see README.md."""
