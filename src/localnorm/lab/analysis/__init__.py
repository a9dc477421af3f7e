"""From paired samples to verdicts, the table of a study and the diff of two tables; no torch."""
