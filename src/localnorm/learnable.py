"""Which of k, alpha and beta are learned: the same names and the same errors behind every door.

A learned value is ``initial * exp(p)`` with the parameter p starting at 0: always positive, and at the start
exactly the value given, which no logarithm of it would give back.
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
        LearnableError: a name that is none of k, alpha, beta; or a value to learn that is not positive.

    Example:
        >>> learnable_names({"beta", "alpha"}, LRNSpec.from_paper())
        ('alpha', 'beta')
    """
    checked_spec(spec)
    if isinstance(learnable, bool):
        asked = set(NAMES if learnable else ())
    elif isinstance(learnable, str):
        asked = {learnable}
    else:
        try:
            asked = set(learnable)
        except TypeError:
            raise LearnableError(
                f"learnable must be True, False or names out of {', '.join(NAMES)}, got {learnable!r}; "
                'pass True, or {"alpha", "beta"}, say.'
            ) from None
    unknown = sorted(map(repr, asked.difference(NAMES)))
    if unknown:
        raise LearnableError(
            f"learnable must name values out of {', '.join(NAMES)}, got {', '.join(unknown)}; check the spelling."
        )
    for name in NAMES:
        if name in asked and not getattr(spec, name) > 0:
            raise LearnableError(
                f"{name} must be positive to be learned, because it is learned as a factor of its initial value, "
                f"got {getattr(spec, name)}; start at a small positive number, or leave it out of learnable."
            )
    return tuple(name for name in NAMES if name in asked)


def checked_count(count: object) -> int:
    """Return a number of channels as an int, or say that it is none."""
    try:
        whole = operator.index(count)  # type: ignore[arg-type]
    except TypeError:
        whole = 0
    if whole < 1 or isinstance(count, bool):
        raise LearnableError(
            f"num_channels must be a whole number of at least 1, got {count!r}; pass num_channels=32, say."
        )
    return whole
