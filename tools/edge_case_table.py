"""Run every API on every edge case and write docs/edge cases.md: ``python tools/edge_case_table.py``.

Keras takes its backend once a process, so this calls itself once for each: ``--keras`` prints that API's part.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from conformance import Api, Array, check_forward, check_gradient
from edge_cases import EDGE_CASES, EdgeCase

PAGE = Path(__file__).parents[1] / "docs" / "edge cases.md"
BACKENDS = ("tensorflow", "jax", "torch")
Column = dict[str, str]

HEAD = """\
# APIs by edge cases

Each row is an input that breaks a released implementation of LRN, or an obvious way to write one; each column is an
API. A cell holds the worst error of the output and of the gradient, over all dtypes that the edge case can be stored
in, as a part of the bound: at most 1 passes. The bound is 8 epsilons for float32 and float64, and one unit in the last
place for float16 and bfloat16, of which rounding alone takes half (`tests/support/conformance.py` argues both). The NumPy API has no gradient.

Written by `make edge cases` with {versions}.

"""


def _error(check: Callable[..., float], api: Api, edge_case: EdgeCase, dtype: str, *grad: Array) -> float:
    try:
        return check(api, edge_case.x(), *grad, dtype, edge_case.spec, edge_case.axis, edge_case.layout)
    except AssertionError:
        return float("inf")


def column(api: Api) -> Column:
    """Return the API's cell for every edge case."""
    cells = {}
    for edge_case in EDGE_CASES:
        errors = [max(_error(check_forward, api, edge_case, dtype) for dtype in edge_case.dtypes)]
        if api.gradient:
            gradients = (
                _error(check_gradient, api, edge_case, dtype, edge_case.grad()) for dtype in edge_case.dtypes
            )
            errors.append(max(gradients))
        cells[edge_case.name] = " / ".join("**fails**" if error > 1 else f"{error:.2f}" for error in errors)
    return cells


def _keras_column(backend: str) -> Column:
    done = subprocess.run(
        [sys.executable, __file__, "--keras"],
        env={**os.environ, "KERAS_BACKEND": backend},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    cells: Column = json.loads(done.stdout.splitlines()[-1])
    return cells


def render(columns: dict[str, Column], versions: str) -> str:
    """Return the page."""
    lines = [f"| edge case | {' | '.join(columns)} |", f"|---|{'---|' * len(columns)}"]
    lines += [
        f"| {edge_case.name} | {' | '.join(cells[edge_case.name] for cells in columns.values())} |"
        for edge_case in EDGE_CASES
    ]
    lines += ["", "## What each edge case is", ""]
    lines += [f"- **{edge_case.name}**: {edge_case.why}" for edge_case in EDGE_CASES]
    return HEAD.format(versions=versions) + "\n".join(lines) + "\n"


def main() -> None:
    """Write the page, or print the part of the backend that Keras runs on."""
    if "--keras" in sys.argv:
        from keras_apis import KERAS

        print(json.dumps(column(KERAS)))
        return
    from array_apis import JAX
    from numpy_api import NUMPY
    from torch_apis import APIS

    columns = {api.name: column(api) for api in (NUMPY, *APIS, JAX)}
    columns |= {f"keras-{backend}": _keras_column(backend) for backend in BACKENDS}
    names = ("torch", "jax", "tensorflow-cpu", "keras", "numpy")
    PAGE.write_text(render(columns, ", ".join(f"{name} {version(name)}" for name in names)), encoding="utf-8")


if __name__ == "__main__":
    main()
