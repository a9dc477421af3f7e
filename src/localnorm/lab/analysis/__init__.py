"""Paired samples to verdicts, the table of a study, and differences between studies; no torch."""
