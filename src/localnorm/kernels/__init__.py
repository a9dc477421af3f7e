"""Kernels and formulas without a framework: the CPU kernel, the experimental GPU kernel, array operations."""
