"""Flexibility checks of a norm: ranks, batch of one, memory format, precision, modes, export."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from localnorm.lab.norms import Norm
from localnorm.lab.study.training_config import CPU

CHANNELS = 32


class _Failed(Exception):  # noqa: N818  a result, not an error
    """The norm ran and failed the check."""


@dataclass(frozen=True)
class _Case:
    """A norm and the kind of device to check it on."""

    norm: Norm
    device: str

    def input(self, *shape: int) -> Tensor:
        """Return the same random numbers on every device."""
        return torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(self.device)

    def build(self, dims: int) -> nn.Module:
        """Return the norm for inputs with some axes after (N, C)."""
        return self.norm.builder(dims)(CHANNELS).to(self.device)


def _must(holds: bool, problem: str) -> None:
    if not holds:
        raise _Failed(problem)


def _close(a: Tensor, b: Tensor) -> bool:
    return bool(torch.allclose(a, b, rtol=1e-5, atol=1e-6))


def _trains(case: _Case, *shape: int) -> None:
    """Forward and backward in training mode keep the shape and give finite numbers."""
    x = case.input(*shape).requires_grad_()
    y = case.build(len(shape) - 2)(x)
    y.square().sum().backward()
    _must(y.shape == x.shape, f"the shape became {tuple(y.shape)}")
    _must(x.grad is not None and bool((y.isfinite() & x.grad.isfinite()).all()), "not finite")


def _variable_length(case: _Case) -> None:
    module = case.build(1)
    for length in (7, 12):
        _must(module(case.input(4, CHANNELS, length)).shape[-1] == length, f"length {length} changed")


def _memory_format(case: _Case) -> None:
    x = case.input(4, CHANNELS, 5, 6)
    y = case.build(2)(x.contiguous(memory_format=torch.channels_last))
    _must(y.is_contiguous(memory_format=torch.channels_last), "the output is not channels last")
    _must(_close(y, case.build(2)(x)), "the result depends on the memory format")


def _half(case: _Case, dtype: torch.dtype, scale: float) -> None:
    """The result is that of float32 to the precision of the dtype."""
    x = (scale * case.input(4, CHANNELS, 5, 6)).to(dtype)
    y = case.build(2).to(dtype)(x)
    expected = case.build(2)(x.float())
    precision = 8 * torch.finfo(dtype).eps
    _must(y.dtype == dtype, f"the dtype became {y.dtype}")
    _must(bool(torch.allclose(y.float(), expected, rtol=precision, atol=precision)), "differs from float32")


def _train_eval_parity(case: _Case) -> None:
    module, x = case.build(2), case.input(4, CHANNELS, 5, 6)
    trained = module.train()(x)
    _must(_close(trained, module.eval()(x)), "training and evaluation differ")


def _independence(case: _Case) -> None:
    module, x = case.build(2), case.input(4, CHANNELS, 5, 6)
    alone = module(x)[0]
    other = torch.cat([x[:1], 3 * x[1:] + 1])
    _must(_close(alone, module(other)[0]), "a sample's result depends on the others")


def _export(case: _Case) -> None:
    module, x = case.build(2).eval(), case.input(4, CHANNELS, 5, 6)
    exported = torch.export.export(module, (x,)).module()
    _must(_close(exported(x), module(x)), "the exported program differs")


# The names are stored in records.
CHECKS: Mapping[str, Callable[[_Case], None]] = MappingProxyType(
    {
        "rank 2: (N, C)": lambda case: _trains(case, 4, CHANNELS),
        "rank 3: (N, C, L)": lambda case: _trains(case, 4, CHANNELS, 6),
        "rank 4: (N, C, H, W)": lambda case: _trains(case, 4, CHANNELS, 5, 6),
        "rank 5: (N, C, D, H, W)": lambda case: _trains(case, 4, CHANNELS, 3, 5, 6),
        "batch of one": lambda case: _trains(case, 1, CHANNELS, 5, 6),
        "batch of one, rank 2": lambda case: _trains(case, 1, CHANNELS),
        "variable length": _variable_length,
        "keeps channels last": _memory_format,
        "bfloat16": lambda case: _half(case, torch.bfloat16, 1.0),
        "float16 with activations in the hundreds": lambda case: _half(case, torch.float16, 300.0),
        "same in training and evaluation": _train_eval_parity,
        "independent of the rest of the batch": _independence,
        "torch.export": _export,
    }
)


def probe_flexibility(norms: list[Norm], device: str = CPU) -> dict[str, Any]:
    """Return, for each norm and check, None if it passed, else the problem.

    Args:
        norms: the norms.
        device: the kind of device to run them on.

    Example:
        >>> from localnorm.lab.norms import find_norm
        >>> checks = probe_flexibility([find_norm("batch")])["batch"]
        >>> [name for name, problem in checks.items() if problem][:2]
        ['batch of one, rank 2', 'same in training and evaluation']
    """
    cases = [_Case(norm, device) for norm in norms]
    return {case.norm.name: {name: _run(case, check) for name, check in CHECKS.items()} for case in cases}


def _run(case: _Case, check: Callable[[_Case], None]) -> str | None:
    try:
        check(case)
    except Exception as problem:  # noqa: BLE001  a failed check is a result
        return str(problem).splitlines()[0][:200] if str(problem) else type(problem).__name__
    return None
