"""Names of tasks on a user's own data: a prefix, a place and options, as in ``data:FOLDER?examples=N&side=N``."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from localnorm.errors import UnknownNameError

HUB = "hub:"


def place_name(prefix: str, place: str | Path, options: Mapping[str, int | None]) -> str:
    """Return the name of a task on the data at a place; options that are None are left out.

    Example:
        >>> place_name("data:", "/pictures", {"examples": None, "side": 32})
        'data:/pictures?side=32'
    """
    given = "&".join(f"{name}={value}" for name, value in options.items() if value is not None)
    return f"{prefix}{place}" + (f"?{given}" if given else "")


def read_place_name(prefix: str, name: str, options: Sequence[str]) -> tuple[str, dict[str, int]]:
    """Return the place and the options that `place_name` put together.

    What follows a question mark is part of the place where it is not made of these options, since a folder's name
    may hold one.

    Args:
        prefix: that of the kind of task, with which the name begins.
        name: of the task.
        options: the names of options that there are.

    Raises:
        UnknownNameError: no place.

    Example:
        >>> read_place_name("data:", "data:/why?/pictures?side=32", ("examples", "side"))
        ('/why?/pictures', {'side': 32})
    """
    rest, given = name.removeprefix(prefix), ""
    if options:
        one = rf"(?:{'|'.join(options)})=\d+"
        if found := re.fullmatch(rf"(.*?)(?:\?({one}(?:&{one})*))?", rest):
            rest, given = found[1], found[2] or ""
    if not rest:
        raise UnknownNameError(
            f"a task on data must say where they are, as {prefix}FOLDER or data:{HUB}NAME, got {name!r}; add it."
        )
    pairs = (option.split("=") for option in given.split("&")) if given else ()
    return rest, {key: int(value) for key, value in pairs}


def full(place: str) -> str:
    """Return the whole path of a folder, so that its task's name means the same in every process.

    Example:
        >>> full("hub:mnist")
        'hub:mnist'
    """
    return place if place.startswith(HUB) else str(Path(place).expanduser().resolve())
