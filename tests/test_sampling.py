"""Samples of cross products: every combination that must be met is, always by the same cases."""

from __future__ import annotations

from itertools import product

from sampling import sample

CASES = [((a, b), (b, c)) for a, b, c in product(range(6), range(4), range(10))]


def test_every_combination_is_met():
    kept = [CASES[index] for index in sample(CASES, 0.05, "seed")]
    assert {ab for ab, _ in kept} == set(product(range(6), range(4)))
    assert {bc for _, bc in kept} == set(product(range(4), range(10)))
    assert len(kept) < len(CASES) / 2


def test_the_share_is_kept_and_the_draw_is_fixed():
    kept = sample(CASES, 0.5, "seed")
    assert len(kept) == len(CASES) / 2
    assert kept == sample(CASES, 0.5, "seed") != sample(CASES, 0.5, "another")


def test_a_share_of_one_keeps_all():
    assert sample(CASES, 1, "seed") == set(range(len(CASES)))
