"""One call for a whole batch of calls: what `torch.func.vmap` asks of a function and of an operator."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor


def in_front(tensor: Tensor, axis: int | None, count: int) -> Tensor:
    """Return the tensor with the axis of the batch in front; all of the batch share one that has no such axis."""
    return tensor.expand(count, *tensor.shape) if axis is None else tensor.movedim(axis, 0)


def each_its_own(values: Sequence[Tensor], batched: Sequence[int | None], count: int) -> list[Tensor]:
    """Return learned values with the axis of the batch in front, at its whole extent.

    A value that all of the batch share has a gradient from each, and so may be shared no longer.
    """
    return [in_front(value, axis, count) for value, axis in zip(values, batched, strict=True)]


def as_they_are(values: Sequence[Tensor], batched: Sequence[int | None]) -> list[Tensor]:
    """Return learned values with an axis for the batch in front, of extent 1 where all of it shares a value."""
    return [in_front(value, axis, 1) for value, axis in zip(values, batched, strict=True)]


def behind_batch(axes: Sequence[int]) -> tuple[int, ...]:
    """Return the window's axes where the batch has taken the place in front."""
    return tuple(axis + 1 for axis in axes)
