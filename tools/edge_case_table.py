"""Run every API on every edge case and write docs/edge-cases.md: ``python tools/edge_case_table.py``.

Keras sets its backend once per process, so the program runs itself once per backend: ``--keras`` prints that row.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from conformance import DTYPES, Api, check_forward, check_gradient
from edge_cases import EDGE_CASES, EdgeCase

PAGE = Path(__file__).parents[1] / "docs" / "edge-cases.md"
BACKENDS = ("tensorflow", "jax", "torch")
Row = dict[str, str]

HEAD = """\
# Edge cases

Inputs that break a released implementation of LRN, or an obvious way to write one. Every API is compared with the
float64 reference on each of them, in every dtype that can hold it. The table shows each API's largest error over
all {count} edge cases, of the output / of the gradient, as a fraction of the bound: at most 1 passes. The bound is
8 machine epsilons in float32 and float64, and one unit in the last place in float16 and bfloat16, of which
rounding alone takes half (`tests/support/conformance.py` derives both). The NumPy API has no gradient.

`torch` is the PyTorch API with the compiled kernel. `torch-traced` is the torch operations that `torch.export` and
`torch.jit.trace` record. `torch-fallback` is the torch operations that compute if the kernel cannot.
`torch-learned` is the layer with k, alpha and beta learned.

Written by `make edge-cases` with {versions}.

"""


def _error(check: Callable[..., float], api: Api, edge_case: EdgeCase, dtype: str) -> float:
    grad = [edge_case.grad()] if check is check_gradient else []
    try:
        return check(api, edge_case.x(), *grad, dtype, edge_case.spec, edge_case.axis, edge_case.layout)
    except AssertionError:
        return math.inf


def row(api: Api) -> Row:
    """Return the API's largest errors by dtype, or the names of the edge cases that fail."""
    cells = {}
    for dtype in DTYPES:
        texts = []
        for check in (check_forward, check_gradient) if api.gradient else (check_forward,):
            errors = {case.name: _error(check, api, case, dtype) for case in EDGE_CASES if dtype in case.dtypes}
            failed = [name for name, error in errors.items() if error > 1]
            texts.append(f"**fails**: {', '.join(failed)}" if failed else f"{max(errors.values()):.2f}")
        cells[dtype] = " / ".join(texts)
    return cells


def _keras_row(backend: str) -> Row:
    done = subprocess.run(
        [sys.executable, __file__, "--keras"],
        env={**os.environ, "KERAS_BACKEND": backend},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    cells: Row = json.loads(done.stdout.splitlines()[-1])
    return cells


def render(rows: dict[str, Row], versions: str) -> str:
    """Return the page."""
    lines = [f"| API | {' | '.join(DTYPES)} |", f"|---|{'---|' * len(DTYPES)}"]
    lines += [f"| {name} | {' | '.join(cells[dtype] for dtype in DTYPES)} |" for name, cells in rows.items()]
    lines += ["", "## List of edge cases", ""]
    lines += [f"- **{edge_case.name}**: {edge_case.why}" for edge_case in EDGE_CASES]
    return HEAD.format(count=len(EDGE_CASES), versions=versions) + "\n".join(lines) + "\n"


def main() -> None:
    """Write the page, or print the row of the backend that Keras runs on."""
    if "--keras" in sys.argv:
        from keras_apis import KERAS

        print(json.dumps(row(KERAS)))
        return
    from array_apis import JAX
    from numpy_api import NUMPY
    from torch_apis import APIS

    rows = {api.name: row(api) for api in (NUMPY, *APIS, JAX)}
    rows |= {f"keras-{backend}": _keras_row(backend) for backend in BACKENDS}
    names = ("torch", "jax", "tensorflow-cpu", "keras", "numpy")
    PAGE.write_text(render(rows, ", ".join(f"{name} {version(name)}" for name in names)), encoding="utf-8")


if __name__ == "__main__":
    main()
