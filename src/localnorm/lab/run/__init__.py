"""Run a study or a search: settings to jobs to records."""
