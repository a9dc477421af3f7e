"""localnorm doctor: what is installed, what each door runs on, and whether it is exact here."""

from __future__ import annotations

import importlib.util
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
import typer
from numpy.typing import NDArray
from rich.table import Table
from rich.text import Text

import localnorm
from localnorm import LRNSpec, reference
from localnorm.commands.console import out
from localnorm.kernels.choice import cpu_kernel
from localnorm.lab.provenance import provenance, versions

_EXTRAS = {
    "torch": ("torch",),
    "jax": ("jax", "flax"),
    "keras": ("keras",),
    "tensorflow": ("keras", "tensorflow"),
    "gpu": ("torch", "triton"),
    "lab": (
        "faster_coco_eval",
        "filelock",
        "jinja2",
        "lightning_fabric",
        "optuna",
        "PIL",
        "plotly",
        "rich",
        "skimage",
        "sklearn",
        "threadpoolctl",
        "torchmetrics",
        "typer",
    ),
    "datasets": ("datasets",),
    "ray": ("ray",),
    "tensorboard": ("tensorboard",),
    "mlflow": ("mlflow",),
}
_ALLOWED = 8
"""Machine epsilons: the bound of the contract exam in float32 and float64."""


def doctor() -> None:
    """Say what is installed and whether the doors are exact on this machine; exit with 1 where one is not."""
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    for name, found in versions().items():
        table.add_row(name, Text(found))
    for name in ("jax", "flax", "keras", "tensorflow", "tensorflow-cpu"):
        with suppress(PackageNotFoundError):
            table.add_row(name, version(name))
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
    for door, package, kernel, errors in (
        ("numpy", "numpy", _kernel(), _numpy_errors),
        ("torch", "torch", _kernel(), _torch_errors),
        ("jax", "jax", "compiled by XLA", _jax_errors),
    ):
        if importlib.util.find_spec(package) is None:
            table.add_row(f"{door} door", f"not usable: {package} is not installed")
            continue
        for name, worst in errors().items():
            good = worst <= _ALLOWED
            sound = sound and good
            table.add_row(
                f"{door} door, {name}",
                f"{kernel}; worst error {worst:.1f} of {_ALLOWED} epsilons allowed"
                + ("" if good else ": NOT EXACT HERE"),
            )
        if door == "torch":
            table.add_row("", "where squares overflow or vanish, or a NaN is, a slower path is taken")
            table.add_row("", "windows over two axes or more take it, and tensors on devices that have no kernel")
            table.add_row("CUDA tensors", Text(_cuda()))
            table.add_row("torch threads", Text(_threads()))
    for name, value in _compiled().items():
        table.add_row(name, Text(value))
    table.add_row("keras door", Text(_keras()))
    out.print(Text(f"localnorm {localnorm.__version__}"))
    out.print(table)
    if not sound:
        raise typer.Exit(1)


def _kernel() -> str:
    return "array operations in float64" if cpu_kernel() is None else "native library"


def _compiled() -> dict[str, str]:
    """Say whether the native library is there, and what it runs on."""
    kernel = cpu_kernel()
    return {"native library": "can't be loaded" if kernel is None else f"runs on {kernel.library().isa}"}


def _cuda() -> str:
    """Say whether there are any, and what they would use."""
    import torch

    there = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU that torch can use"
    if importlib.util.find_spec("triton") is None:
        return f"{there}; they would use torch operations in float64: pip install 'localnorm[gpu]' for the kernel"
    return f"{there}; they would use the kernel in Triton {version('triton')}, float64 torch operations"


def _threads() -> str:
    import torch

    from localnorm.torch.openmp import parallel

    whose = "torch's own" if parallel() is not None else "of a pool beside torch's"
    return f"{torch.get_num_threads()}; the compiled kernel runs on threads {whose}"


def _keras() -> str:
    """Say what the Keras door would run on; importing Keras to try takes seconds."""
    if importlib.util.find_spec("keras") is None:
        return "not usable: keras is not installed"
    backends = [name for name in ("tensorflow", "jax", "torch") if importlib.util.find_spec(name) is not None]
    return f"on the backend that KERAS_BACKEND names; installed: {', '.join(backends) or 'none'}"


_SPEC = LRNSpec.from_torch(4, alpha=0.7, beta=0.75, k=1.0)


def _input(dtype: str) -> NDArray[Any]:
    """Return an input with a spike."""
    values = np.random.default_rng(0).normal(size=(2, 31, 5, 3))
    values[0, 3] = 1e4
    return values.astype(dtype)


def _epsilons(found: NDArray[Any], x: NDArray[Any]) -> float:
    wanted = reference.forward(x, _SPEC)
    return float(np.max(np.abs(found - wanted) / np.abs(wanted)) / np.finfo(x.dtype).eps)


def _numpy_errors() -> dict[str, float]:
    """Return the worst error against the reference in epsilons, by dtype."""
    inputs = {dtype: _input(dtype) for dtype in ("float32", "float64")}
    return {dtype: _epsilons(localnorm.local_response_norm(x, _SPEC), x) for dtype, x in inputs.items()}


def _torch_errors() -> dict[str, float]:
    """Return the worst error against the reference in epsilons, by dtype."""
    import torch

    from localnorm.torch import LocalResponseNorm

    layer = LocalResponseNorm.from_spec(_SPEC)
    inputs = {dtype: _input(dtype) for dtype in ("float32", "float64")}
    return {dtype: _epsilons(layer(torch.from_numpy(x)).numpy(), x) for dtype, x in inputs.items()}


def _jax_errors() -> dict[str, float]:
    """Return the worst error against the reference in epsilons; float64 only where JAX has it enabled."""
    from localnorm.jax import local_response_norm

    x = _input("float32")
    return {"float32": _epsilons(np.asarray(local_response_norm(x, _SPEC, 1)), x)}
