"""docs/edge-cases.md: its APIs and edge cases are those of the conformance suite, and its errors are measured."""

from __future__ import annotations

import re

from array_apis import JAX
from conformance import DTYPES
from edge_case_table import BACKENDS, PAGE, render, row
from edge_cases import EDGE_CASES
from numpy_api import NUMPY
from torch_apis import APIS

ROWS = dict(re.findall(r"^\| ([a-z-]+) \| ([0-9./ |]+) \|$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE))


def test_the_page_is_complete_and_nothing_on_it_fails():
    page = PAGE.read_text(encoding="utf-8")
    assert list(ROWS) == [
        *(api.name for api in (NUMPY, *APIS, JAX)),
        *(f"keras-{backend}" for backend in BACKENDS),
    ]
    assert all(len(cells.split(" | ")) == len(DTYPES) for cells in ROWS.values())
    assert "**fails**" not in page
    for edge_case in EDGE_CASES:
        assert f"- **{edge_case.name}**: {edge_case.why}" in page


def test_the_page_is_measured():
    measured = row(NUMPY)
    for dtype, printed in zip(DTYPES, ROWS["numpy"].split(" | "), strict=True):
        # Another machine may sum in another order, which costs a part of one of the eight epsilons allowed.
        assert abs(float(printed) - float(measured[dtype])) < 0.1


def test_a_failure_is_shown_with_the_name_of_the_edge_case():
    cells = dict.fromkeys(DTYPES, "**fails**: nan")
    assert render({"wrong": cells}, "nothing 1.0").count("**fails**: nan") == len(DTYPES)


def test_an_api_that_is_wrong_fails_by_name():
    wrong = row(NUMPY.__class__("wrong", DTYPES, lambda x, *_: x, None))
    assert wrong["float32"].startswith("**fails**: odd-radius-1, ")
