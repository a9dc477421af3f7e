"""The page of APIs by edge cases is of the APIs and edge cases that there are."""

from __future__ import annotations

import re

from array_apis import JAX
from edge_case_table import BACKENDS, PAGE, column, render
from edge_cases import EDGE_CASES
from numpy_api import NUMPY
from torch_apis import APIS


def test_the_page_is_complete_and_nothing_on_it_fails():
    page = PAGE.read_text(encoding="utf-8")
    apis = [*(api.name for api in (NUMPY, *APIS, JAX)), *(f"keras-{backend}" for backend in BACKENDS)]
    assert f"| edge case | {' | '.join(apis)} |" in page
    # A cell is the worst error of the output, and of the gradient where the API has one.
    rows = dict(re.findall(r"^\| ([a-z0-9-]+) \| ((?:[0-9.]+(?: / [0-9.]+)? ?\|? ?)+)$", page, flags=re.MULTILINE))
    assert list(rows) == [edge_case.name for edge_case in EDGE_CASES]
    assert all(len(row.strip(" |").split(" | ")) == len(apis) for row in rows.values())
    for edge_case in EDGE_CASES:
        assert f"- **{edge_case.name}**: {edge_case.why}" in page


def test_the_page_is_measured():
    page = PAGE.read_text(encoding="utf-8")
    for name, cell in column(NUMPY).items():
        printed = re.search(rf"^\| {name} \| ([0-9.]+) \|", page, re.MULTILINE)
        # Another machine may sum in another order, which costs a part of one of the eight epsilons allowed.
        assert abs(float(printed[1]) - float(cell)) < 0.1


def test_a_failure_shows():
    fails = {edge_case.name: "**fails**" for edge_case in EDGE_CASES}
    assert render({"wrong": fails}, "nothing 1.0").count("**fails**") == len(EDGE_CASES)
