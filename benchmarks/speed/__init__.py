"""Time localnorm next to other implementations of LRN."""
