"""Conformance of the NumPy API: random and edge cases. Needs NumPy alone, so a bare wheel can be tested."""

from __future__ import annotations

import pytest

from conformance import Case, check_forward
from conformance_cases import cases, edge_cases, every_dtype
from edge_cases import EdgeCase
from numpy_api import NUMPY


@every_dtype
@cases(NUMPY)
def test_random_forward(api, dtype: str, case: Case):
    _skip_missing(dtype)
    x, _, spec = case.draw()
    check_forward(api, x, dtype, spec, case.axis, case.layout)


@edge_cases(NUMPY)
def test_edge_case_forward(api, edge_case: EdgeCase, dtype: str):
    _skip_missing(dtype)
    check_forward(api, edge_case.x(), dtype, edge_case.spec, edge_case.axis, edge_case.layout)


def _skip_missing(dtype: str) -> None:
    if dtype not in NUMPY.dtypes:
        pytest.skip(f"NumPy has no {dtype} without ml_dtypes")
