"""Report of a hyperparameter search: page, plots and text."""
