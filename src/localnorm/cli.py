"""Entry point of the command line: compare, status, report, diff, tune, export, scope, convert, inspect, doctor.

Exit codes: 0 success; 1 an unexpected error, or a difference that diff or doctor found; 2 invalid input, explained
on stderr; 3 success, but damaged records were left out; 130 interrupted, finished jobs are kept.
"""

from __future__ import annotations

import sys

_HINT = (
    "localnorm's command line needs packages that are not installed ({problem}); "
    "install them with: pip install 'localnorm[lab]'."
)


def main() -> None:
    """Run the command line, or name the extra that it needs."""
    try:
        from localnorm.commands import app
    except ImportError as problem:
        if (problem.name or "").startswith("localnorm"):
            raise
        sys.exit(_HINT.format(problem=problem))
    app()
