"""Cutting into blocks and sharing among threads: invisible in the result."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch

from localnorm.torch import blocks as blocks_module
from localnorm.torch.blocks import blocks
from tensors import bits, gradient, normalized, random_tensor

# Each is more than one block; the second and the fourth are cut along more than one axis.
LARGE = [((70, 16, 9, 11), 1), ((2, 96, 40, 41), 1), ((300, 500), -1), ((8, 60, 61, 6), 3), ((16, 50_000), 0)]
every_large = pytest.mark.parametrize(("shape", "dim"), LARGE)
every_count = pytest.mark.parametrize("threads", [1, 2])


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch):
    """Make blocks a quarter of their size, so that small tensors are cut too."""
    monkeypatch.setattr(blocks_module, "_ELEMENTS_PER_THREAD", 2**15)


@contextmanager
def running(threads: int) -> Iterator[None]:
    """Give torch that many threads for a while."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@every_count
@every_large
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_a_large_tensor_is_its_parts(shape: tuple[int, ...], dim: int, dtype: torch.dtype, threads: int):
    x, dim = random_tensor(*shape, dtype=dtype), dim % len(shape)
    axis = next(a for a in range(x.ndim) if a != dim)
    with running(threads):
        assert len(list(blocks((dim,), x))) > 1
        parts = [normalized(part, dim=dim) for part in x.tensor_split(3, axis)]
        assert torch.equal(normalized(x, dim=dim), torch.cat(parts, axis))
        grads = [gradient(part, part, dim=dim) for part in x.tensor_split(3, axis)]
        assert torch.equal(gradient(x, x, dim=dim), torch.cat(grads, axis))


def test_thread_counts_agree_bit_by_bit():
    x = random_tensor(4, 96, 27, 27, dtype=torch.float32)
    results = []
    for threads in (1, 2):
        with running(threads):
            results.append((bits(normalized(x)), bits(gradient(x, x))))
    assert results[0] == results[1]


@every_count
@every_large
@pytest.mark.parametrize("transposed", [False, True])
def test_blocks_cover_every_element_once(shape: tuple[int, ...], dim: int, transposed: bool, threads: int):
    dim %= len(shape)
    backwards = tuple(reversed(range(len(shape))))
    times = torch.zeros(shape[::-1]).permute(backwards) if transposed else torch.zeros(shape)
    position = torch.arange(times.numel()).reshape(shape)
    seen = []
    with running(threads):
        for times_block, position_block in blocks((dim,), times, position):
            assert times_block.shape[dim] == shape[dim]
            assert times_block.numel() <= 2**16, "more than the cache of two threads"
            times_block += 1
            # Views of the same places in either tensor.
            seen.append(position_block.reshape(-1))
            assert torch.equal(times.reshape(-1)[seen[-1]], times_block.reshape(-1))
    assert torch.equal(times, torch.ones(shape))
    assert torch.equal(torch.cat(seen).sort().values, position.reshape(-1))


@pytest.mark.parametrize("shape", [(3, 4), (1_000_000,), (1, 1_000_000), (0, 5)], ids=str)
def test_one_block_where_there_is_nothing_to_cut(shape: tuple[int, ...]):
    x = torch.zeros(shape)
    (block,) = blocks((len(shape) - 1,), x)
    assert block[0] is x
