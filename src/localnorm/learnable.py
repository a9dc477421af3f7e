"""Validate the `learnable` and `num_channels` arguments of every framework API.

A learned value is ``initial * exp(p)`` with the parameter p starting at 0: always positive, and exactly the
initial value at the start, which ``exp(log(initial))`` would not be.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable

from localnorm.axes import checked_spec
from localnorm.errors import LearnableError
from localnorm.spec import LRNSpec

NAMES = ("k", "alpha", "beta")


def learnable_names(learnable: bool | str | Iterable[str], spec: LRNSpec) -> tuple[str, ...]:
    """Return the names of the values to learn, in the order k, alpha, beta.

    Args:
        learnable: True for all three, False for none, or their names.
        spec: the initial values.

    Raises:
        LearnableError: an unknown name, or an initial value that is not positive.

    Example:
        >>> learnable_names({"beta", "alpha"}, LRNSpec.from_paper())
        ('alpha', 'beta')
    """
    checked_spec(spec)
    if isinstance(learnable, bool):
        names = set(NAMES if learnable else ())
    elif isinstance(learnable, str):
        names = {learnable}
    else:
        try:
            names = set(learnable)
        except TypeError:
            raise LearnableError(
                f"learnable must be True, False or names out of {', '.join(NAMES)}, got {learnable!r}; "
                'pass True or {"alpha", "beta"}, for example.'
            ) from None
    unknown = sorted(map(repr, names.difference(NAMES)))
    if unknown:
        raise LearnableError(
            f"learnable must name values out of {', '.join(NAMES)}, got {', '.join(unknown)}; check the spelling."
        )
    for name in NAMES:
        if name in names and not getattr(spec, name) > 0:
            raise LearnableError(
                f"{name} must be positive to be learned, because it is learned as a factor of its initial value, "
                f"got {getattr(spec, name)}; start at a small positive number, or leave it out of learnable."
            )
    return tuple(name for name in NAMES if name in names)


def checked_count(count: object) -> int:
    """Return a number of channels as an int; raise LearnableError if it is none."""
    try:
        number = operator.index(count)  # type: ignore[arg-type]
    except TypeError:
        number = 0
    if number < 1 or isinstance(count, bool):
        raise LearnableError(
            f"num_channels must be a whole number of at least 1, got {count!r}; pass num_channels=32, for example."
        )
    return number
