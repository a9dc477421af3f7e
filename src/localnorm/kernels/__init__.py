"""How LRN is computed: the arithmetic that the doors share."""
