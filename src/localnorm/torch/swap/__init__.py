"""Swap LRN layers inside a torch model, and restore them."""
