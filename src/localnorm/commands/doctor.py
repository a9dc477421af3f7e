"""localnorm doctor: show installed packages and kernels, and check the accuracy of each framework API."""

from __future__ import annotations

import importlib.util
import inspect
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, metadata, requires, version
from typing import Any

import numpy as np
import typer
from numpy.typing import NDArray
from packaging.requirements import Requirement
from rich.table import Table
from rich.text import Text

import localnorm
from localnorm import LRNSpec, reference
from localnorm.commands.console import out
from localnorm.kernels.available import cpu_kernel, gpu_kernel
from localnorm.lab.records.provenance import provenance, versions

_ALLOWED = 8
"""The bound of the conformance suite in float32 and float64, in machine epsilons."""
_SPEC = LRNSpec.from_torch(4, alpha=0.7, beta=0.75, k=1.0)


def doctor() -> None:
    """Show installed packages and kernels, and check each framework API's accuracy; exit with 1 on failure."""
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    # Folded, because rich would shorten a long word with an ellipsis, which ASCII lacks.
    table.add_column(overflow="fold")
    table.add_column(overflow="fold")
    exact = True
    for name, text in _packages():
        table.add_row(name, Text(text.encode(out.encoding, "replace").decode(out.encoding)))
    table.add_row("CPU kernel", Text(_kernel(cpu_kernel)))
    for api, errors in (("numpy", _numpy_errors), ("torch", _torch_errors), ("jax", _jax_errors)):
        if not _importable(api):
            table.add_row(f"{api} API", f"not usable: {api} is not installed")
            continue
        for dtype, worst in errors().items():
            passed = worst <= _ALLOWED
            exact = exact and passed
            verdict = "exact" if passed else "NOT EXACT HERE"
            text = f"{verdict}: largest error {worst:.1f} machine epsilons, {_ALLOWED} allowed"
            table.add_row(f"{api} API, {dtype}", text)
    table.add_row("keras API", Text(_keras()))
    if _importable("torch"):
        table.add_row("torch threads", Text(_threads()))
        table.add_row("CUDA", Text(_cuda()))
    out.print(Text(f"localnorm {localnorm.__version__}"))
    out.print(table)
    if not exact:
        raise typer.Exit(1)


def _importable(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


def _packages() -> Iterator[tuple[str, str]]:
    """Yield a name and a text for each package, the machine and each extra."""
    yield from versions().items()
    for name in ("jax", "flax", "keras", "tensorflow", "tensorflow-cpu"):
        with suppress(PackageNotFoundError):
            yield name, version(name)
    machine = provenance()
    yield "system", machine["system"]
    yield "processor", f"{machine['processor']}, {machine['cores']} cores"
    try:
        extras = metadata("localnorm").get_all("Provides-Extra") or []
    except PackageNotFoundError:
        yield "extras", "unknown: localnorm is imported from a folder and not installed"
        return
    for extra in sorted(set(extras) - {"dev"}):
        missing = [name for name in sorted(_required(extra)) if not _installed(name)]
        advice = f"missing {', '.join(missing)}: pip install 'localnorm[{extra}]'"
        yield f"extra {extra}", advice if missing else "installed"


def _required(extra: str) -> set[str]:
    """Return the packages of an extra and of the extras that it includes, without localnorm's own requirements."""
    packages: set[str] = set()
    for requirement in map(Requirement, requires("localnorm") or []):
        marker = requirement.marker
        if marker is None or marker.evaluate({"extra": ""}) or not marker.evaluate({"extra": extra}):
            continue
        if requirement.name == "localnorm":
            packages.update(*map(_required, requirement.extras))
        else:
            packages.add(requirement.name)
    return packages


def _installed(package: str) -> bool:
    """Whether a package is installed, or another one that provides its module, e.g. tensorflow-cpu."""
    try:
        version(package)
    except PackageNotFoundError:
        return _importable(package.replace("-", "_"))
    return True


def _kernel(find: Callable[[], object]) -> str:
    """Return whether a kernel is used, or the reason why not."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        # Unwrapped, because a cached answer comes without its warning.
        kernel = inspect.unwrap(find)()
    if kernel is not None:
        library = getattr(kernel, "library", None)
        return f"used, compiled for {library().isa}" if library else "used"
    return "; ".join(["not used", *(str(warning.message) for warning in caught)])


def _cuda() -> str:
    """Return which GPU there is and what CUDA tensors are normalized with."""
    import torch

    if not torch.cuda.is_available():
        return "no GPU that torch can use"
    name = torch.cuda.get_device_name()
    if os.environ.get("LOCALNORM_GPU") != "1":
        return f"{name}; torch operations in float64 (LOCALNORM_GPU=1 enables an experimental Triton kernel)"
    return f"{name}; experimental Triton kernel {_kernel(gpu_kernel)}; float64 uses torch operations"


def _threads() -> str:
    """Return how many threads there are and whose the CPU kernel uses."""
    import torch

    if cpu_kernel() is None:
        return str(torch.get_num_threads())

    from localnorm.torch.system import parallel

    pool = "torch's threads" if parallel() is not None else "a separate thread pool"
    return f"{torch.get_num_threads()}; the CPU kernel runs on {pool}"


def _keras() -> str:
    """Return what the Keras API would run on; it isn't checked, because importing Keras takes seconds."""
    if not _importable("keras"):
        return "not usable: keras is not installed"
    backends = [name for name in ("tensorflow", "jax", "torch") if _importable(name)]
    return f"not checked; backends installed, to be chosen by KERAS_BACKEND: {', '.join(backends) or 'none'}"


def _input(dtype: str) -> NDArray[Any]:
    """Return an input with one large value."""
    values = np.random.default_rng(0).normal(size=(2, 31, 5, 3))
    values[0, 3] = 1e4
    return values.astype(dtype)


def _epsilons(y: NDArray[Any], x: NDArray[Any]) -> float:
    """Return the largest relative error of an output in machine epsilons."""
    expected = reference.forward(x, _SPEC)
    return float(np.max(np.abs(y - expected) / np.abs(expected)) / np.finfo(x.dtype).eps)


def _numpy_errors() -> dict[str, float]:
    inputs = {dtype: _input(dtype) for dtype in ("float32", "float64")}
    return {dtype: _epsilons(localnorm.local_response_norm(x, _SPEC), x) for dtype, x in inputs.items()}


def _torch_errors() -> dict[str, float]:
    import torch

    from localnorm.torch import LocalResponseNorm

    layer = LocalResponseNorm.from_spec(_SPEC)
    inputs = {dtype: _input(dtype) for dtype in ("float32", "float64")}
    return {dtype: _epsilons(layer(torch.from_numpy(x)).numpy(), x) for dtype, x in inputs.items()}


def _jax_errors() -> dict[str, float]:
    from localnorm.jax import local_response_norm

    x = _input("float32")
    return {"float32": _epsilons(np.asarray(local_response_norm(x, _SPEC, 1)), x)}
