"""Run every door on every hazard and write docs/hazards.md: ``python tests/hazard_table.py``.

Keras takes its backend once a process, so this calls itself once for each: ``--keras`` prints that door's part.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from contract import Array, Door, check_forward, check_gradient
from hazards import HAZARDS, Hazard

PAGE = Path(__file__).parents[1] / "docs" / "hazards.md"
BACKENDS = ("tensorflow", "jax", "torch")
Column = dict[str, str]

HEAD = """\
# Doors by hazards

Each row is an input that breaks a released implementation of LRN, or an obvious way to write one; each column is a
door. A cell holds the worst error of the output and of the gradient, over all dtypes that the hazard can be stored
in, as a part of the bound of the exam: at most 1 passes. The bound is 8 epsilons for float32 and float64, and one
unit in the last place for float16 and bfloat16, of which rounding alone takes half (`tests/contract.py` argues
both). The NumPy door has no gradient.

Written by `make hazards` with {versions}.

"""


def _error(check: Callable[..., float], door: Door, hazard: Hazard, dtype: str, *grad: Array) -> float:
    try:
        return check(door, hazard.x(), *grad, dtype, hazard.spec, hazard.axis, hazard.layout)
    except AssertionError:
        return float("inf")


def column(door: Door) -> Column:
    """Return the door's cell for every hazard."""
    cells = {}
    for hazard in HAZARDS:
        errors = [max(_error(check_forward, door, hazard, dtype) for dtype in hazard.dtypes)]
        if door.gradient:
            gradients = (_error(check_gradient, door, hazard, dtype, hazard.grad()) for dtype in hazard.dtypes)
            errors.append(max(gradients))
        cells[hazard.name] = " / ".join("**fails**" if error > 1 else f"{error:.2f}" for error in errors)
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
    lines = [f"| hazard | {' | '.join(columns)} |", f"|---|{'---|' * len(columns)}"]
    lines += [
        f"| {hazard.name} | {' | '.join(cells[hazard.name] for cells in columns.values())} |" for hazard in HAZARDS
    ]
    lines += ["", "## What each hazard is", ""]
    lines += [f"- **{hazard.name}**: {hazard.why}" for hazard in HAZARDS]
    return HEAD.format(versions=versions) + "\n".join(lines) + "\n"


def main() -> None:
    """Write the page, or print the part of the backend that Keras runs on."""
    if "--keras" in sys.argv:
        from keras_doors import KERAS

        print(json.dumps(column(KERAS)))  # noqa: T201
        return
    from array_doors import JAX, NUMPY
    from doors import DOORS

    columns = {door.name: column(door) for door in (NUMPY, *DOORS, JAX)}
    columns |= {f"keras-{backend}": _keras_column(backend) for backend in BACKENDS}
    names = ("torch", "jax", "tensorflow-cpu", "keras", "numpy")
    PAGE.write_text(render(columns, ", ".join(f"{name} {version(name)}" for name in names)), encoding="utf-8")


if __name__ == "__main__":
    main()
