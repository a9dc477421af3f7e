"""Run every API on every edge case and write docs/edge-cases.md: ``python tools/edge_case_table.py``.

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

PAGE = Path(__file__).parents[1] / "docs" / "edge-cases.md"
BACKENDS = ("tensorflow", "jax", "torch")
Column = dict[str, list[float]]

HEAD = """\
# Edge cases

Inputs that break a released implementation of LRN, or an obvious way to write one, and the worst error of each
API on all of them, over all dtypes that an input can be stored in. Errors are parts of the bound: at most 1 passes.
The bound is 8 epsilons for float32 and float64, and one unit in the last place for float16 and bfloat16, of which
rounding alone takes half (`tests/support/conformance.py` explains both). The NumPy API has no gradient.

Written by `make edge-cases` with {versions}.

"""


def _error(check: Callable[..., float], api: Api, edge_case: EdgeCase, dtype: str, *grad: Array) -> float:
    try:
        return check(api, edge_case.x(), *grad, dtype, edge_case.spec, edge_case.axis, edge_case.layout)
    except AssertionError:
        return float("inf")


def column(api: Api) -> Column:
    """Return the API's worst error for every edge case: of the output, and of the gradient if it has one."""
    errors = {}
    for edge_case in EDGE_CASES:
        errors[edge_case.name] = [max(_error(check_forward, api, edge_case, dtype) for dtype in edge_case.dtypes)]
        if api.gradient:
            gradients = (
                _error(check_gradient, api, edge_case, dtype, edge_case.grad()) for dtype in edge_case.dtypes
            )
            errors[edge_case.name].append(max(gradients))
    return errors


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


def _worst(errors: Column, part: int) -> str:
    """Return the worst error of output (0) or gradient (1) with its edge case, or the edge cases that fail."""
    parts = {name: values[part] for name, values in errors.items() if part < len(values)}
    failing = [name for name, error in parts.items() if error > 1]
    if failing or not parts:
        return f"**fails**: {', '.join(failing)}" if failing else ""
    name = max(parts, key=lambda name: parts[name])
    return f"{parts[name]:.2f} ({name})"


def render(columns: dict[str, Column], versions: str) -> str:
    """Return the page."""
    lines = ["| API | output | gradient |", "|---|---|---|"]
    lines += [f"| {api} | {_worst(errors, 0)} | {_worst(errors, 1)} |" for api, errors in columns.items()]
    lines += ["", "## The inputs", ""]
    lines += [f"- **{edge_case.name}**: {edge_case.why}" for edge_case in EDGE_CASES]
    return HEAD.format(versions=versions) + "\n".join(lines) + "\n"


def main() -> None:
    """Write the page, or print the part of the backend that Keras runs on."""
    if "--keras" in sys.argv:
        from keras_apis import KERAS

        print(json.dumps(column(KERAS)))
        return
    from array_apis import JAX, NUMPY
    from torch_apis import APIS

    columns = {api.name: column(api) for api in (NUMPY, *APIS, JAX)}
    columns |= {f"keras-{backend}": _keras_column(backend) for backend in BACKENDS}
    names = ("torch", "jax", "tensorflow-cpu", "keras", "numpy")
    PAGE.write_text(render(columns, ", ".join(f"{name} {version(name)}" for name in names)), encoding="utf-8")


if __name__ == "__main__":
    main()
