"""Things of a user's own, named ``package.module:attribute``."""

from __future__ import annotations

import importlib
from collections.abc import Iterable

from localnorm.errors import UnknownNameError


def import_own(kind: str, name: str, known: Iterable[str]) -> object:
    """Return what a name of the form ``package.module:attribute`` stands for.

    Args:
        kind: what it should be, for the messages: "norm" or "model".
        name: the name.
        known: the names that need no import, for the message.

    Raises:
        UnknownNameError: not of that form, or not importable.

    Example:
        >>> import_own("norm", "math:pi", ["none", "batch"])
        3.141592653589793
    """
    module, _, attribute = name.partition(":")
    if not attribute or module[:1] in ("", "."):
        raise UnknownNameError(
            f"a {kind} must be one of {', '.join(known)}, got {name!r}; name your own package.module:attribute."
        )
    try:
        found: object = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as problem:
        raise UnknownNameError(
            f"a {kind} of your own must be importable as package.module:attribute, got {name!r}: {problem}; "
            "check the spelling and that its folder is on PYTHONPATH."
        ) from None
    return found
