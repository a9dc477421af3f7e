"""The command line: localnorm compare, status, tune, report, export, scope, convert, doctor.

Exit codes: 0 done; 1 an error nobody foresaw, or two studies whose verdicts differ; 2 bad input, said on
stderr; 3 done, but a damaged record was left out; 130 interrupted, finished jobs kept.
"""

from __future__ import annotations

import sys

_HINT = (
    "localnorm's command line needs packages that are not installed ({problem}); "
    "install them with: pip install 'localnorm[lab]'."
)


def main() -> None:
    """Run the command line, or say which extra it needs."""
    try:
        from localnorm.commands import app
    except ImportError as problem:
        if (problem.name or "").startswith("localnorm"):
            raise
        sys.exit(_HINT.format(problem=problem))
    app()
