"""The torch door beside torch's own LRN, eager and compiled: ``python -m benchmarks.torch_door``.

Accuracy against the float64 reference is checked before anything is timed; then every contestant runs once a
round, in turn, so that a drift of the machine's speed reaches all of them. Prints medians over the rounds.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor
from torch.nn import functional

from benchmarks.rounds import Times
from localnorm import LRNSpec, reference
from localnorm.lab.provenance import provenance
from localnorm.torch import local_response_norm

SIZE, ALPHA, BETA, K = 5, 0.5, 0.75, 1.0
SHAPES = ((32, 96, 55, 55), (32, 192, 28, 28), (8, 32, 16, 16), (1, 96, 55, 55))

Forward = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Contestant:
    """One implementation under one name."""

    name: str
    forward: Forward


def _localnorm(x: Tensor) -> Tensor:
    return local_response_norm(x, SIZE, ALPHA, BETA, K)


def _torch(x: Tensor) -> Tensor:
    return functional.local_response_norm(x, SIZE, ALPHA, BETA, K)


def contestants() -> list[Contestant]:
    """Return all that can run here; torch.compile needs a C++ compiler and says so where it has none.

    Compiled anew for each shape, since a compiled function gives up after a number of shapes.
    """
    torch.compiler.reset()
    found = [Contestant("localnorm", _localnorm), Contestant("torch eager", _torch)]
    compiled = torch.compile(_torch, dynamic=False)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compiled(torch.ones(1, 8, 2, 2))
    except Exception as problem:  # noqa: BLE001  whatever the compiler lacks, the others can be timed
        print(f"torch compiled is left out: {type(problem).__name__}")
        return found
    return [*found, Contestant("torch compiled", compiled)]


def worst_error(forward: Forward) -> float:
    """Return the worst relative error in float32 epsilons, on channels beside a spike."""
    values = np.random.default_rng(0).normal(size=(2, 31, 5, 3))
    values[0, 7] = 1e4
    x = torch.from_numpy(values).float()
    wanted = reference.forward(x.double().numpy(), LRNSpec.from_torch(SIZE, ALPHA, BETA, K))
    error = np.abs(forward(x).double().numpy() - wanted) / np.abs(wanted)
    return float(error.max() / torch.finfo(torch.float32).eps)


def _both(forward: Forward, x: Tensor, grad: Tensor) -> None:
    leaf = x.detach().requires_grad_()
    torch.autograd.grad(forward(leaf), leaf, grad)


def time_shape(shape: tuple[int, ...]) -> Table:
    """Time one shape and return its table, in multiples of a copy."""
    runs = contestants()
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    grad, target = torch.randn_like(x), torch.empty_like(x)
    jobs: dict[str, Callable[[], object]] = {"copy": lambda: target.copy_(x)}
    for run in runs:
        jobs[f"{run.name} forward"] = lambda f=run.forward: f(x)  # type: ignore[misc]
        jobs[f"{run.name} both"] = lambda f=run.forward: _both(f, x, grad)  # type: ignore[misc]
    times = Times(jobs)
    table = Table(
        title=f"{'x'.join(map(str, shape))} float32, in copies; a copy takes {times.milliseconds('copy'):.2f} ms",
        title_justify="left",
    )
    for heading in ("", "forward", "and backward", "faster than eager", "and backward"):
        table.add_column(heading, justify="left" if not heading else "right")
    for run in runs:
        table.add_row(
            run.name,
            *(f"{times.ratio(f'{run.name} {kind}', 'copy'):.1f}" for kind in ("forward", "both")),
            *(f"{times.ratio(f'torch eager {kind}', f'{run.name} {kind}'):.2f} x" for kind in ("forward", "both")),
        )
    return table


def main() -> None:
    """Check accuracy, time every shape, print the tables with versions."""
    console = Console()
    where = provenance()
    console.print(f"{where['versions']}", highlight=False)
    console.print(
        f"{where['processor']}, {torch.get_num_threads()} threads; size {SIZE}, beta {BETA}", highlight=False
    )
    for run in contestants():
        error = worst_error(run.forward)
        console.print(f"{run.name}: worst error {error:.1f} epsilons", highlight=False)
        if run.name == "localnorm" and error > 8:
            raise SystemExit("localnorm is not exact here: nothing is timed")
    for shape in SHAPES:
        console.print(time_shape(shape))


if __name__ == "__main__":
    main()
