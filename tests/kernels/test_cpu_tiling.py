"""Plans: tiles cover every position once, their buffers are large enough, and extremes do no harm."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from localnorm.kernels.layout import Layout, layout
from localnorm.kernels.plan import Plan, plan

SHAPES = [
    (2, 96, 27, 27),
    (32, 96, 55, 55),
    (1, 64, 500, 500),
    (3, 20, 7, 50),
    (128, 1, 1, 1),
    (1, 1, 1, 1),
    (5, 100_000, 1, 1),
    (1, 100_000, 3, 3),
    (7, 3, 1, 40_000),
    (1000, 10, 2, 2),
    (1, 5, 1, 17),
    (3, 4096, 1, 15),
]
WINDOWS = [(0, 0), (2, 2), (3, 0), (0, 40), (200_000, 200_000)]
ORDERS = {"channels second": (0, 1, 2, 3), "channels last": (0, 2, 3, 1), "transposed": (3, 2, 1, 0)}
every_shape = pytest.mark.parametrize("shape", SHAPES, ids=str)
every_order = pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)


def _layout(shape: tuple[int, ...], order: tuple[int, ...]) -> Layout:
    steps, step = [0] * 4, 1
    for axis in reversed(order):
        steps[axis] = step
        step *= shape[axis]
    return layout(shape, 1, steps)


def _plans(found: Layout, threads: int) -> list[tuple[int, int, Plan]]:
    """Return a plan for every window, cut at the borders as the kernel does, with rows of either kind."""
    plans = []
    for window, rows_only in product(WINDOWS, (False, True)):
        lo, hi = (min(reach, found.channels - 1) for reach in window)
        plans.append((lo, hi, plan(found, lo, hi, threads, rows_only=rows_only)))
    return plans


@every_order
@every_shape
@pytest.mark.parametrize("threads", [1, 2, 7, 64])
def test_tiles_cover_every_position_once(shape: tuple[int, ...], order: tuple[int, ...], threads: int):
    found = _layout(shape, order)
    for _, _, got in _plans(found, threads):
        # As the kernel counts them: tile t is the part t % tiles_a_row of outer index t // tiles_a_row.
        starts = np.arange(got.tiles_a_row) * got.tile
        lengths = np.minimum(got.tile, found.positions - starts)
        assert lengths.min() > 0, "no tile is empty"
        assert lengths.sum() == found.positions
        assert got.tiles == got.tiles_a_row * np.prod(found.outer, dtype=int)


@every_order
@every_shape
def test_buffers_are_large_enough(shape: tuple[int, ...], order: tuple[int, ...]):
    found = _layout(shape, order)
    for lo, hi, got in _plans(found, 2):
        if got.step:
            # Zeros part the positions, so that no window reaches the next; a row is a whole number of positions.
            assert got.step >= found.channels + max(lo, hi)
            assert got.row % got.step == 0
            assert got.row > 0
            assert got.buffer >= lo + got.tile * got.step + hi
        else:
            assert got.row == 0
            assert got.buffer >= (lo + found.channels + hi) * got.tile


@every_order
@every_shape
def test_tiles_stay_in_cache(shape: tuple[int, ...], order: tuple[int, ...]):
    """Or hold no more positions than are cut at the least: one side by side, 64 in rows."""
    found = _layout(shape, order)
    for lo, hi, got in _plans(found, 2):
        assert got.buffer <= 2**16 + lo + hi or got.tile <= (1 if got.step else 64)


@every_order
@every_shape
def test_the_tiles_do_not_depend_on_the_threads(shape: tuple[int, ...], order: tuple[int, ...]):
    """Sums over a tile do in the last digits, and so does what is left with it."""
    found = _layout(shape, order)
    ours = [[got.__dict__ | {"threads": 0} for _, _, got in _plans(found, threads)] for threads in (1, 2, 7)]
    assert ours[0] == ours[1] == ours[2]


@pytest.mark.parametrize("threads", [1, 2, 7, 64])
@every_shape
def test_threads_have_work(shape: tuple[int, ...], threads: int):
    found = _layout(shape, (0, 1, 2, 3))
    got = plan(found, 0, 0, threads)
    assert 1 <= got.threads <= min(threads, got.tiles)
    assert got.threads == 1 or found.elements / got.threads >= 2**14


@pytest.mark.parametrize("rows_only", [False, True])
@pytest.mark.parametrize(
    ("order", "side_by_side"),
    [("channels second", False), ("channels last", True), ("transposed", False)],
)
def test_rows_are_what_is_contiguous(order: str, side_by_side: bool, rows_only: bool):
    got = plan(_layout((2, 96, 27, 27), ORDERS[order]), 2, 2, 2, rows_only=rows_only)
    assert bool(got.step) == (side_by_side and not rows_only)


@pytest.mark.parametrize(("positions", "side_by_side"), [(15, True), (16, False)])
def test_short_rows_are_laid_side_by_side(positions: int, side_by_side: bool):
    assert bool(plan(_layout((4, 96, 1, positions), (0, 1, 2, 3)), 2, 2, 2).step) == side_by_side


def test_several_tiles_where_threads_would_share_few():
    """A tensor that would fit into one tile is cut all the same, as long as a row fills its vectors."""
    assert plan(_layout((1, 64, 40, 40), (0, 1, 2, 3)), 2, 2, 2).tiles >= 6
    assert plan(_layout((1, 64, 8, 8), (0, 1, 2, 3)), 2, 2, 2).tiles == 1
