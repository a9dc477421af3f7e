"""Parametrize a conformance test: every API by random cases, edge cases and dtypes."""

from __future__ import annotations

import pytest

from conformance import CASES, DTYPES, Api
from edge_cases import EDGE_CASES, EdgeCase

every_dtype = pytest.mark.parametrize("dtype", DTYPES)

sampled_cases = pytest.mark.sampled(1 / 12, "api dtype case.layout", "api case.rank", "api case.window")
sampled_edge_cases = pytest.mark.sampled(1 / 4, "api edge_case.name", "api dtype")


def cases(*apis: Api) -> pytest.MarkDecorator:
    """Every API by every random case; an API that compiles for each shape runs every sixteenth."""
    return pytest.mark.parametrize(
        ("api", "case"),
        [
            pytest.param(api, case, id=f"{api.name}-{case}")
            for api in apis
            for case in (CASES[::16] if api.compiled else CASES)
        ],
    )


def edge_cases(*apis: Api) -> pytest.MarkDecorator:
    """Every API by every edge case by every dtype."""
    return pytest.mark.parametrize(
        ("api", "edge_case", "dtype"),
        [
            pytest.param(
                api,
                edge_case,
                dtype,
                id=f"{api.name}-{edge_case.name}-{dtype}",
                marks=_marks(api, edge_case, dtype),
            )
            for api in apis
            for edge_case in EDGE_CASES
            for dtype in edge_case.dtypes
        ],
    )


def _marks(api: Api, edge_case: EdgeCase, dtype: str) -> list[pytest.MarkDecorator]:
    """Keras wraps APIs that are tested with every dtype, so its dtypes other than float32 are slow tests."""
    compiles = api.name in ("keras-tensorflow", "keras-jax")
    return [pytest.mark.slow] if compiles and "float32" in edge_case.dtypes and dtype != "float32" else []
