"""Jobs, records and the folder that holds them; no torch."""
