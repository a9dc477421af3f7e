"""LRN layers of old Keras models: what their arguments can mean, read from a model's JSON without running code."""
