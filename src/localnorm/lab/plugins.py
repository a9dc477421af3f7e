"""Things of a user's own, named ``package.module:attribute``."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from localnorm.errors import UnknownNameError
from localnorm.spelling import nearest


def import_own(kind: str, name: str, known: Iterable[str]) -> object:
    """Return what a name of the form ``package.module:attribute`` stands for.

    Args:
        kind: what it should be, for the messages: "norm" or "model".
        name: the name.
        known: the names that need no import, for the message.

    Raises:
        UnknownNameError: not of that form, or not importable, also where the module itself raises an error.

    Example:
        >>> import_own("norm", "math:pi", ["none", "batch"])
        3.141592653589793
    """
    module, _, attribute = name.partition(":")
    if not attribute or module[:1] in ("", "."):
        names = tuple(known)
        raise UnknownNameError(
            f"a {kind} must be one of {', '.join(names)}, got {name!r}; {nearest(name, names)} "
            "Your own is package.module:attribute."
        )
    try:
        found: object = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as problem:
        raise UnknownNameError(
            f"a {kind} of your own must be importable as package.module:attribute, got {name!r}: {problem}; "
            "check the spelling, and that its folder is the current one or on PYTHONPATH."
        ) from None
    except Exception as problem:
        raise UnknownNameError(
            f"a {kind} of your own must be importable as package.module:attribute, got {name!r}, whose module "
            f"ends with {type(problem).__name__}: {problem}; correct {module}."
        ) from problem
    return found


@contextmanager
def current_folder_searched() -> Iterator[None]:
    """Let modules in the current folder be imported meanwhile, after all others.

    Only ``python -m`` puts that folder on the path by itself. Worker processes are given the path as it is when
    they are started. What is installed comes first, so that a file called ``random.py`` there replaces nothing.

    Example:
        >>> with current_folder_searched():
        ...     str(Path.cwd()) in sys.path
        True
    """
    here = str(Path.cwd())
    added = here not in {str(Path(place).resolve()) for place in sys.path}
    if added:
        sys.path.append(here)
    importlib.invalidate_caches()
    try:
        yield
    finally:
        if added and here in sys.path:
            sys.path.remove(here)
