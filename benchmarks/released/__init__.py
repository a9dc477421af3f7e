"""Measure and explain the errors of released LRN implementations."""
