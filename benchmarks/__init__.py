"""Speed measures: programs that time localnorm beside its rivals in one run."""
