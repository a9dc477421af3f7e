"""Definition of a study: its values, training settings, search space and study.json; no torch."""
