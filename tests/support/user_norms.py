"""User-defined norms, good and bad, named ``user_norms:...`` in tests and imported by workers."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from localnorm import LRNSpec
from localnorm.lab.norms import Norm
from localnorm.lab.study.search_space import Choice
from localnorm.torch import LocalResponseNorm


class Applied(nn.Module):
    """A module that applies a function."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


class NanLater(nn.Module):
    """The identity for some training steps."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.left = steps

    def forward(self, x: Tensor) -> Tensor:
        self.left -= self.training
        return x * float("nan") if self.left < 0 else x


class Forgets(nn.Module):
    """The identity in training, nothing in evaluation."""

    def forward(self, x: Tensor) -> Tensor:
        return x if self.training else 0 * x


def _applies(about: str, function: Callable[[Tensor], Tensor]) -> Norm:
    return Norm("its own name counts for nothing", about, lambda num_channels, dims: Applied(function))  # noqa: ARG005


def _no_memory(x: Tensor) -> Tensor:
    raise MemoryError(f"no room for {x.shape[1]} channels")


def _no_memory_in_torch(x: Tensor) -> Tensor:
    return torch.empty(2**60, dtype=x.dtype)


def _refuses(x: Tensor) -> Tensor:
    raise TypeError(f"no input of rank {x.ndim} here")


def _uneven(lo: int, hi: int) -> Norm:
    """Return LRN over an uneven window, with an alpha that makes every neighbour count."""
    spec = LRNSpec(lo, hi, alpha=0.5, beta=0.75, k=1.0)
    return Norm("uneven", "an uneven window", lambda num_channels, dims: LocalResponseNorm.from_spec(spec))  # noqa: ARG005


def plain(num_channels: int) -> nn.Module:
    """A bare builder."""
    return nn.BatchNorm2d(num_channels)


def returns_none(num_channels: int) -> None:
    """A builder without a return statement."""


def frozen(num_channels: int) -> nn.Module:
    """A builder of a norm with parameters that do not learn or are not used."""
    module = nn.GroupNorm(1, num_channels).requires_grad_(requires_grad=False)
    module.unused = nn.Parameter(torch.zeros(1))
    return module


placebo = Norm("placebo", "nothing, under another name", lambda num_channels, dims: nn.Identity())  # noqa: ARG005
scaled = Norm(
    "scaled",
    "a number of its own",
    lambda num_channels, dims, by=2.0: Applied(lambda x: x / by),  # noqa: ARG005
    {"by": Choice((1.0, 2.0, 4.0))},
)
harm = _applies("a thousand", lambda x: x / 1000)
shape_changer = _applies("nothing, and drops the last channel", lambda x: x[:, :-1])
makes_nan = _applies("zero", lambda x: x * float("nan"))
nan_later = Norm("nan", "nothing, and after 20 training steps zero", lambda num_channels, dims: NanLater(20))  # noqa: ARG005
forgets = Norm("forgets", "nothing, and in evaluation infinity", lambda num_channels, dims: Forgets())  # noqa: ARG005
out_of_memory = _applies("memory", _no_memory)
out_of_memory_in_torch = _applies("memory", _no_memory_in_torch)
refuses = _applies("no input at all", _refuses)
even_below, even_above = _uneven(2, 1), _uneven(1, 2)
not_a_norm = 3
