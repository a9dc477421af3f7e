"""What to do about a name that is not known: the one that was probably meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(given: str, known: Iterable[str]) -> str:
    """Return the end of an error's message: the known name that comes nearest to the one given.

    Args:
        given: what was received.
        known: the names that would have done.

    Example:
        >>> nearest("alpa", ("alpha", "beta")), nearest("digit", ("digits", "faces")), nearest("x", ("k", "n"))
        ('did you mean alpha?', 'did you mean digits?', 'check the spelling.')
    """
    names = tuple(known)
    within = [name for name in names if given and given.lower() in name]
    found = within or difflib.get_close_matches(given.lower(), names, n=1)
    return f"did you mean {found[0]}?" if found else "check the spelling."
