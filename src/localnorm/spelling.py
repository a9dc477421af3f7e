"""Suggest the known name that a misspelt one probably means."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the end of an error message: a suggestion of the nearest known name.

    Args:
        name: the unknown name.
        known: the names that are allowed.

    Example:
        >>> nearest("alpa", ("alpha", "beta")), nearest("digit", ("digits", "faces")), nearest("x", ("k", "n"))
        ('did you mean alpha?', 'did you mean digits?', 'check the spelling.')
    """
    names = tuple(known)
    containing = [other for other in names if name and name.lower() in other]
    matches = containing or difflib.get_close_matches(name.lower(), names, n=1)
    return f"did you mean {matches[0]}?" if matches else "check the spelling."
