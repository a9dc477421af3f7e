"""Import user-defined norms, models and tasks by ``package.module:attribute``."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from localnorm.errors import UnknownNameError
from localnorm.spelling import nearest


def check_spelling(kind: str, name: str, known: Iterable[str]) -> None:
    """Raise an error unless a name is known or of the form ``package.module:attribute``; nothing is imported.

    Args:
        kind: "norm", "model" or "task", for the message.
        name: the name.
        known: the names that need no import.

    Raises:
        UnknownNameError: neither of the two.

    Example:
        >>> check_spelling("norm", "torch.nn:BatchNorm2d", ["none", "batch"])
    """
    names = tuple(known)
    module, _, attribute = name.partition(":")
    if name in names or (attribute and module[:1] not in ("", ".")):
        return
    raise UnknownNameError(
        f"a {kind} must be one of {', '.join(names)}, got {name!r}; {nearest(name, names)} "
        f"A user-defined {kind} is package.module:attribute."
    )


def import_user_defined(kind: str, name: str, known: Iterable[str]) -> object:
    """Import the object that ``package.module:attribute`` names.

    Args:
        kind: "norm", "model" or "task", for the messages.
        name: the name.
        known: the names that need no import, for the message.

    Raises:
        UnknownNameError: the name is not of that form, or its module or attribute can't be imported.

    Example:
        >>> import_user_defined("norm", "math:pi", ["none", "batch"])
        3.141592653589793
    """
    check_spelling(kind, name, known)
    module, _, attribute = name.partition(":")
    rule = f"a user-defined {kind} must be importable as package.module:attribute, got {name!r}"
    try:
        imported: object = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as problem:
        hint = "check the spelling, and that its folder is the current one or on PYTHONPATH."
        if module.endswith(".py") or "/" in module:
            hint = f"name the module, not its file: {Path(module.removesuffix('.py')).name}:{attribute}."
        elif isinstance(problem, AttributeError) and module in sys.modules:
            hint = nearest(attribute, [other for other in vars(sys.modules[module]) if other[:1] != "_"])
        raise UnknownNameError(f"{rule}: {problem}; {hint}") from None
    except Exception as problem:
        raise UnknownNameError(
            f"{rule}, whose module raises {type(problem).__name__}: {problem}; correct {module}."
        ) from problem
    return imported


@contextmanager
def current_folder_on_path() -> Iterator[None]:
    """Append the current folder to ``sys.path``, so that user-defined modules there can be imported.

    Only ``python -m`` does this by itself. Worker processes inherit the path. The folder comes last: a file called
    ``random.py`` in it replaces no installed module.

    Example:
        >>> with current_folder_on_path():
        ...     str(Path.cwd()) in sys.path
        True
    """
    here = str(Path.cwd())
    added = here not in {str(Path(entry).resolve()) for entry in sys.path}
    if added:
        sys.path.append(here)
    importlib.invalidate_caches()
    try:
        yield
    finally:
        if added and here in sys.path:
            sys.path.remove(here)
