"""Blocks: every element once, whole windows, no block larger than it must be."""

from __future__ import annotations

import numpy as np
import pytest

from localnorm.kernels.blocks import blocks

# Each is more than one block; the second and the fourth are cut along more than one axis.
LARGE = [((70, 16, 9, 11), 1), ((2, 96, 40, 41), 1), ((300, 500), 1), ((8, 60, 61, 6), 3), ((16, 50_000), 0)]


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize(("shape", "axis"), LARGE)
def test_blocks_cover_every_element_once(shape: tuple[int, ...], axis: int, transposed: bool):
    times = np.zeros(shape[::-1]).T if transposed else np.zeros(shape)
    cuts = list(blocks(shape, times.strides, (axis,), 2**15))
    assert len(cuts) > 1
    for cut in cuts:
        assert times[cut].shape[axis] == shape[axis]
        assert times[cut].size <= 2**15
        times[cut] += 1
    assert (times == 1).all()


def test_windows_over_two_axes_are_whole():
    x = np.zeros((3, 16, 25, 26))
    assert {x[cut].shape[2:] for cut in blocks(x.shape, x.strides, (2, 3), 2**12)} == {(25, 26)}


@pytest.mark.parametrize("shape", [(3, 4), (1_000_000,), (1, 1_000_000), (0, 5)], ids=str)
def test_one_block_if_there_is_nothing_to_cut(shape: tuple[int, ...]):
    assert list(blocks(shape, np.zeros(shape).strides, (len(shape) - 1,), 2**12)) == [(slice(None),) * len(shape)]
