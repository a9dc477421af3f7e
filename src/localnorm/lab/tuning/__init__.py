"""Hyperparameter search without its driver: settings, sampler, selection, results; no torch."""
