"""docs/edge-cases.md lists all APIs and edge cases, and its errors are reproducible."""

from __future__ import annotations

import re

from array_apis import JAX, NUMPY
from edge_case_table import BACKENDS, PAGE, column, render
from edge_cases import EDGE_CASES
from torch_apis import APIS


def test_the_page_is_complete_and_nothing_on_it_fails():
    page = PAGE.read_text(encoding="utf-8")
    apis = [*(api.name for api in (NUMPY, *APIS, JAX)), *(f"keras-{backend}" for backend in BACKENDS)]
    error = r"[01]\.[0-9]{2} \([a-z0-9-]+\)"
    assert re.findall(rf"^\| ([a-z-]+) \| {error} \| (?:{error})? \|$", page, re.MULTILINE) == apis
    assert "**fails**" not in page
    for edge_case in EDGE_CASES:
        assert f"- **{edge_case.name}**: {edge_case.why}" in page


def test_the_page_is_measured():
    printed = re.search(r"^\| numpy \| ([0-9.]+) ", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    worst = max(errors[0] for errors in column(NUMPY).values())
    # Another machine may sum in another order, which costs a part of one of the eight epsilons allowed.
    assert abs(float(printed[1]) - worst) < 0.1


def test_a_failure_shows():
    passes = {edge_case.name: [0.5, 0.25] for edge_case in EDGE_CASES}
    name = EDGE_CASES[-1].name
    page = render({"right": passes, "wrong": {**passes, name: [float("inf"), 0.75]}}, "nothing 1.0")
    assert f"| right | 0.50 ({EDGE_CASES[0].name}) | 0.25 ({EDGE_CASES[0].name}) |" in page
    assert f"| wrong | **fails**: {name} | 0.75 ({name}) |" in page
