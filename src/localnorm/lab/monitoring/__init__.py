"""Progress of a study: callbacks, the event log, status, and loggers."""
