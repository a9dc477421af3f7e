"""Engines that run calls in workers: a local process pool, or Ray."""
