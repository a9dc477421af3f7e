"""Sample large cross products of parametrized tests: `make test` runs a fixed part of them, `make test-all` all.

``@pytest.mark.sampled(share, "api dtype", "api case.layout")`` keeps `share` of the cases, drawn with a fixed
seed, and adds cases until each combination of values that any of the strings names is met at least once. The
others get the marker `slow`.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from operator import attrgetter
from types import SimpleNamespace

import pytest


def sample(cases: Sequence[Sequence[Hashable]], share: float, seed: str) -> set[int]:
    """Return indices of the cases to keep.

    Args:
        cases: what each case covers, one hashable for each kind of combination.
        share: of the cases to keep, as far as covering everything leaves room.
        seed: of the order in which cases are considered.
    """
    order = list(range(len(cases)))
    random.Random(seed).shuffle(order)
    covered: set[tuple[int, Hashable]] = set()
    kept = set()
    for index in order:
        combinations = set(enumerate(cases[index]))
        if not combinations <= covered:
            kept.add(index)
            covered |= combinations
    for index in order:
        if len(kept) >= share * len(cases):
            break
        kept.add(index)
    return kept


def mark_unsampled_as_slow(items: Iterable[pytest.Item]) -> None:
    """Add the marker `slow` to the cases of sampled tests that are not in the sample."""
    tests = defaultdict(list)
    for item in items:
        if item.get_closest_marker("sampled"):
            tests[item.nodeid.partition("[")[0]].append(item)
    for name, cases in tests.items():
        share, *combinations = cases[0].get_closest_marker("sampled").args
        covers = [[_values(item, names.split()) for names in combinations] for item in cases]
        kept = sample(covers, share, name)
        for index, item in enumerate(cases):
            if index not in kept:
                item.add_marker(pytest.mark.slow)


def _values(item: pytest.Item, names: Sequence[str]) -> tuple[str, ...]:
    """Return the values of parameters, or of their attributes, as text."""
    params = SimpleNamespace(**item.callspec.params)
    return tuple(str(attrgetter(name)(params)) for name in names)
