"""localnorm doctor: what is installed, what each door runs on, and whether it is exact here."""

from __future__ import annotations

import importlib.util

import numpy as np
import typer
from rich.table import Table
from rich.text import Text

import localnorm
from localnorm import LRNSpec, reference
from localnorm.commands.console import out
from localnorm.lab.provenance import provenance, versions

_EXTRAS = {
    "torch": ("torch",),
    "lab": ("filelock", "jinja2", "lightning_fabric", "plotly", "rich", "sklearn", "torchmetrics", "typer"),
}
_ALLOWED = 8
"""Machine epsilons: the bound of the contract exam in float32 and float64."""


def doctor() -> None:
    """Say what is installed and whether the doors are exact on this machine; exit with 1 where one is not."""
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    for name, version in versions().items():
        table.add_row(name, Text(version))
    where = provenance()
    table.add_row("system", Text(where["system"]))
    table.add_row("processor", Text(f"{where['processor']}, {where['cores']} cores"))
    for extra, packages in _EXTRAS.items():
        absent = [package for package in packages if importlib.util.find_spec(package) is None]
        table.add_row(
            f"extra {extra}",
            Text(f"missing {', '.join(absent)}: pip install 'localnorm[{extra}]'" if absent else "installed"),
        )
    sound = True
    if importlib.util.find_spec("torch") is None:
        table.add_row("torch door", "not usable: torch is not installed")
    else:
        for name, worst in _torch_errors().items():
            good = worst <= _ALLOWED
            sound = sound and good
            table.add_row(
                f"torch door, {name}",
                f"portable kernel; worst error {worst:.1f} of {_ALLOWED} epsilons allowed"
                + ("" if good else ": NOT EXACT HERE"),
            )
        table.add_row("", "positions whose squares overflow or vanish, or that hold a NaN, take a slower path")
        table.add_row("torch threads", str(_threads()))
    out.print(Text(f"localnorm {localnorm.__version__}"))
    out.print(table)
    if not sound:
        raise typer.Exit(1)


def _threads() -> int:
    import torch

    return torch.get_num_threads()


def _torch_errors() -> dict[str, float]:
    """Return the worst error against the reference in epsilons, on an input with a spike."""
    import torch

    from localnorm.torch import LocalResponseNorm

    spec = LRNSpec.from_torch(4, alpha=0.7, beta=0.75, k=1.0)
    layer = LocalResponseNorm.from_spec(spec)
    values = np.random.default_rng(0).normal(size=(2, 31, 5, 3))
    values[0, 3] = 1e4
    errors = {}
    for dtype in (torch.float32, torch.float64):
        x = torch.from_numpy(values).to(dtype)
        wanted = reference.forward(x.double().numpy(), spec)
        found = layer(x).double().numpy()
        errors[str(dtype).removeprefix("torch.")] = float(
            np.max(np.abs(found - wanted) / np.abs(wanted)) / torch.finfo(dtype).eps
        )
    return errors
