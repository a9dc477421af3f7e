"""Validate the channel axis and find the axes that the window spans, for every framework API."""

from __future__ import annotations

import operator

from localnorm.errors import AxisError, SpecError
from localnorm.spec import LRNSpec


def whole_axis(axis: object, name: str = "axis") -> int:
    """Return the axis as an int; raise AxisError if it is none."""
    try:
        if isinstance(axis, bool):
            raise TypeError
        return operator.index(axis)  # type: ignore[arg-type]
    except TypeError:
        raise AxisError(
            f"{name} must be a whole number, got {axis!r} of type {type(axis).__name__}; pass an int such as 1."
        ) from None


def channel_axis(rank: int, axis: object, name: str = "axis") -> int:
    """Return the axis counted from 0; raise AxisError if an input of this rank has no such axis."""
    index = whole_axis(axis, name)
    if not -rank <= index < rank:
        raise AxisError(
            f"{name} must be an axis of the input, which has rank {rank}, got {name}={index}; "
            + (f"pass a value from {-rank} to {rank - 1}." if rank else "add a channel axis first.")
        )
    return index % rank


def checked_spec(spec: object) -> LRNSpec:
    """Return the spec; raise SpecError if it is none."""
    if isinstance(spec, LRNSpec):
        return spec
    raise SpecError(
        f"spec must be an LRNSpec, got {spec!r} of type {type(spec).__name__}; "
        "build one, e.g. LRNSpec.from_torch(size=5)."
    )


def check_channels(count: int, extent: int | None, axis: int) -> None:
    """Raise AxisError unless an input has one channel for each value that is learned per channel."""
    if extent is not None and extent != count:
        raise AxisError(
            f"input must have one channel for each learned value, {count} along axis {axis}, got {extent}; "
            f"build the layer for {extent} channels, or choose another axis."
        )


def window_axes(spec: LRNSpec, rank: int, axis: object, name: str = "axis") -> tuple[int, ...]:
    """Return the axes that the window of an input of this rank spans.

    Across channels that is the channel axis; within a channel, the last ``spec.spatial`` axes other than it.

    Raises:
        AxisError: no such axis, or too few other axes.
        SpecError: `spec` is not an LRNSpec.

    Example:
        >>> window_axes(LRNSpec(1, 1, 1.0, 0.75, 1.0), rank=4, axis=1)
        (1,)
        >>> window_axes(LRNSpec(1, 1, 1.0, 0.75, 1.0, spatial=2), rank=4, axis=-1)
        (1, 2)
    """
    checked_spec(spec)
    channel = channel_axis(rank, axis, name)
    if not spec.spatial:
        return (channel,)
    others = [a for a in range(rank) if a != channel]
    if len(others) < spec.spatial:
        raise AxisError(
            f"a window over {spec.spatial} spatial axes needs an input with as many axes beside the channel "
            f"axis, got rank {rank}; use a spec with fewer spatial axes."
        )
    return tuple(others[-spec.spatial :])
