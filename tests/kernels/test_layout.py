"""Layouts: every element of every array is visited once, and axes are merged where memory allows it."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from kernel_runs import seen, strides
from localnorm.kernels.layout import Layout, layout


def _views(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Return an array of that shape whose axes lie in memory in any order, cut, mirrored or expanded."""
    order = rng.permutation(len(shape))
    cuts = rng.integers(1, 3, size=len(shape))
    memory = np.arange(np.prod([shape[a] * cuts[a] for a in order]))
    a = memory.reshape([shape[a] * cuts[a] for a in order]).transpose(np.argsort(order))
    a = a[tuple(slice(None, None, int(cut)) for cut in cuts)]
    a = a[tuple(slice(None, None, int(rng.choice([1, 1, -1]))) for _ in shape)]
    if rng.random() < 0.3:
        axis = int(rng.integers(len(shape)))
        a = np.broadcast_to(a.take([0], axis), shape)
    return a


def _channels_first(a: np.ndarray, axis: int) -> np.ndarray:
    return np.moveaxis(a, axis, 0).reshape(a.shape[axis], -1)


@pytest.mark.parametrize("seed", range(120))
def test_every_element_is_visited_once(seed: int):
    """Several arrays at once: at the same index of the layout, all of them show the same element."""
    rng = np.random.default_rng(seed)
    shape = tuple(int(n) for n in rng.integers(1, 6, size=rng.integers(1, 6)))
    axis = int(rng.integers(len(shape)))
    arrays = [_views(rng, shape) for _ in range(1 + seed % 3)]
    found = layout(shape, axis, *map(strides, arrays))
    assert found.elements == np.prod(shape)
    # An array of our own, whose elements say where they are, tells the order that the layout visits them in.
    columns = []
    for i, a in enumerate(arrays):
        visited = seen(a, found, i)
        columns.append(np.moveaxis(visited, -2, 0).reshape(found.channels, -1))
    want = np.stack([_channels_first(a, axis) for a in arrays])
    got = np.stack(columns)
    for channel in range(found.channels):
        # Columns are compared as sets of what all arrays hold there together.
        assert sorted(zip(*got[:, channel], strict=True)) == sorted(zip(*want[:, channel], strict=True))
    # A column of the layout is a column of the array: the same order in every channel.
    whole = {tuple(column) for column in np.moveaxis(want, 2, 0).reshape(want.shape[2], -1)}
    assert {tuple(column) for column in np.moveaxis(got, 2, 0).reshape(got.shape[2], -1)} == whole


@pytest.mark.parametrize("seed", range(20))
def test_outer_offsets_are_those_of_the_outer_axes(seed: int):
    rng = np.random.default_rng(seed)
    shape = tuple(int(n) for n in rng.integers(1, 5, size=4))
    arrays = [_views(rng, shape) for _ in range(2)]
    found = layout(shape, 1, *map(strides, arrays))
    for a, offsets, steps in zip(arrays, found.outer_offsets(), found.outer_steps, strict=True):
        assert len(offsets) == np.prod(found.outer, dtype=int)
        where = {
            sum(i * s for i, s in zip(index, steps, strict=True)) for index in product(*map(range, found.outer))
        }
        assert set(offsets) == where
        assert a.size % len(offsets) == 0


MERGED = {
    "NCHW": ((2, 3, 4, 5), 1, [(60, 20, 5, 1)], (20, (2,), (20,), (1,))),
    "NHWC": ((2, 3, 4, 5), 1, [(60, 1, 15, 3)], (40, (), (1,), (3,))),
    "NCDHW": ((2, 3, 4, 5, 6), 1, [(360, 120, 30, 6, 1)], (120, (2,), (120,), (1,))),
    "one image": ((1, 3, 4, 5), 1, [(60, 20, 5, 1)], (20, (), (20,), (1,))),
    "vectors": ((7, 3), 1, [(3, 1)], (7, (), (1,), (3,))),
    "one vector": ((3,), 0, [(2,)], (1, (), (2,), (1,))),
    "channels first": ((3, 4, 5), 0, [(20, 5, 1)], (20, (), (20,), (1,))),
    "expanded": ((2, 3, 4, 5), 1, [(0, 0, 0, 0)], (40, (), (0,), (0,))),
    "mirrored": ((2, 3, 4, 5), 1, [(-60, -20, -5, -1)], (20, (2,), (-20,), (-1,))),
    "half mirrored": ((2, 3, 4, 5), 1, [(60, 20, 5, -1)], (5, (2, 4), (20,), (-1,))),
    "every second": ((2, 3, 4, 5), 1, [(120, 40, 10, 2)], (20, (2,), (40,), (2,))),
    "cut": ((2, 3, 4, 5), 1, [(210, 42, 7, 1)], (5, (2, 4), (42,), (1,))),
    "NCHW and NHWC": ((2, 3, 4, 5), 1, [(60, 20, 5, 1), (60, 1, 15, 3)], (20, (2,), (20, 1), (1, 3))),
    "NCHW and expanded": ((2, 3, 4, 5), 1, [(60, 20, 5, 1), (0, 0, 0, 0)], (20, (2,), (20, 0), (1, 0))),
}


@pytest.mark.parametrize("name", MERGED)
def test_axes_are_merged_where_memory_allows_it(name: str):
    shape, axis, all_strides, want = MERGED[name]
    found = layout(shape, axis, *all_strides)
    assert (found.positions, found.outer, found.channel_steps, found.position_steps) == want


@pytest.mark.parametrize(
    ("shape", "steps", "positions", "step"),
    [
        ((40, 3, 16), (1, 640, 41), 40, 1),
        ((16, 3, 40), (41, 1640, 1), 40, 1),
        ((15, 3, 40), (1, 600, 16), 40, 16),
        ((17, 3, 40), (1, 680, 18), 17, 1),
    ],
    ids=["longest", "longest last", "contiguous but short", "contiguous and long"],
)
def test_tiles_are_cut_along_a_long_contiguous_axis(
    shape: tuple[int, ...], steps: tuple[int, ...], positions: int, step: int
):
    found = layout(shape, 1, steps)
    assert (found.positions, found.position_steps) == (positions, (step,))


def test_layouts_are_values():
    arguments = ((2, 3, 4), 1, (12, 4, 1))
    assert layout(*arguments) == layout(*arguments) == Layout(3, 4, (2,), (4,), (1,), ((12,),))
    assert len({layout(*arguments), layout(*arguments)}) == 1
