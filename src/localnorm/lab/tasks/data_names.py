"""Names of tasks on user data: a prefix, a location and options, as in ``data:FOLDER?examples=N&side=N``."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from localnorm.errors import UnknownNameError

HUB = "hub:"


def place_name(prefix: str, place: str | Path, options: Mapping[str, int | None]) -> str:
    """Return the name of a task on the data at a location; options that are None are left out.

    Example:
        >>> place_name("data:", "/images", {"examples": None, "side": 32})
        'data:/images?side=32'
    """
    chosen = "&".join(f"{name}={value}" for name, value in options.items() if value is not None)
    return f"{prefix}{place}" + (f"?{chosen}" if chosen else "")


def read_place_name(prefix: str, name: str, options: Sequence[str]) -> tuple[str, dict[str, int]]:
    """Return the location and the options of a name made by `place_name`.

    A question mark that is not followed by these options belongs to the location: a folder's name may hold one.

    Args:
        prefix: of the name.
        name: of the task.
        options: the names of the possible options.

    Raises:
        UnknownNameError: no location.

    Example:
        >>> read_place_name("data:", "data:/why?/images?side=32", ("examples", "side"))
        ('/why?/images', {'side': 32})
    """
    rest, chosen = name.removeprefix(prefix), ""
    if options:
        one = rf"(?:{'|'.join(options)})=\d+"
        if found := re.fullmatch(rf"(.*?)(?:\?({one}(?:&{one})*))?", rest):
            rest, chosen = found[1], found[2] or ""
    if not rest:
        raise UnknownNameError(
            f"a task on user data must name their location, as {prefix}FOLDER or data:{HUB}NAME, got {name!r}; "
            "add it."
        )
    pairs = (option.split("=") for option in chosen.split("&")) if chosen else ()
    return rest, {key: int(value) for key, value in pairs}


def full(place: str) -> str:
    """Return the absolute path of a folder, so that its task's name means the same in every process.

    Example:
        >>> full("hub:mnist")
        'hub:mnist'
    """
    return place if place.startswith(HUB) else str(Path(place).expanduser().resolve())
