"""Fixtures of the lab's tests, and sampling of large cross products."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from sampling import mark_unsampled_as_slow


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # First: deselection by `-m "not slow"` comes after.
    mark_unsampled_as_slow(items)


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """Give torch one thread, as in the lab's workers: the same digits, and no waiting for a busy core."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
