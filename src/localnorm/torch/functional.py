"""The function of the torch door: checks its input, then calls the operator."""

from __future__ import annotations

import operator

import torch
from torch import Tensor

from localnorm.errors import AxisError, DTypeError, InplaceError
from localnorm.spec import LRNSpec
from localnorm.torch.portable import LocalResponseNormFunction, forward, traceable

_DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


def local_response_norm(
    input: Tensor,  # noqa: A002  the name that torch.nn.functional gives it
    size: int,
    alpha: float = 1e-4,
    beta: float = 0.75,
    k: float = 1.0,
    *,
    dim: int = 1,
    inplace: bool = False,
) -> Tensor:
    """Divide each activation by its neighbours along the channel axis.

    ``y_c = x_c / (k + alpha / size * sum_{j in W(c)} x_j^2)^beta``, where ``W(c)`` holds `size`
    channels around c, the extra one below where `size` is even, cut at the borders. This is the meaning of
    ``torch.nn.functional.local_response_norm``, for every rank, axis, memory format and floating dtype.

    All arithmetic is in float64 (float32 on MPS devices) and the result is rounded once. Where even so a
    square would overflow or vanish, those positions are computed again with scaled windows: slower, but
    right.

    Args:
        input: float16, bfloat16, float32 or float64, of rank 1 or more, in any memory format.
        size: channels in the window, at least 1.
        alpha: factor of the mean of squares over the window.
        beta: the exponent.
        k: the constant in the denominator.
        dim: the channel axis; 1 by default, as in torch.
        inplace: write the result into `input` and return it; only where no gradient is needed.

    Returns:
        A tensor of the shape, dtype and memory format of `input`. The backward pass keeps `input` and
        nothing else.

    Raises:
        SpecError: a hyperparameter that defines no LRN (a ValueError).
        AxisError: `dim` is out of range (a ValueError and IndexError).
        DTypeError: integer, boolean, complex or 8-bit input (a TypeError).
        InplaceError: `inplace` with an input that needs a gradient or overlaps itself (a ValueError).

    Source: torch/nn/functional.py; Krizhevsky, Sutskever and Hinton, NIPS 2012, section 3.3.

    Example:
        >>> x = torch.tensor([[3.0, 4.0, 0.0]])
        >>> local_response_norm(x, size=3, alpha=3.0, beta=0.5, k=0.0)
        tensor([[0.6000, 0.8000, 0.0000]])
    """
    return apply_spec(input, LRNSpec.from_torch(size, alpha, beta, k), dim, inplace=inplace)


def apply_spec(x: Tensor, spec: LRNSpec, dim: int, *, inplace: bool) -> Tensor:
    """Check x and dim, then normalize; the one entry that function and module share."""
    if not isinstance(x, Tensor):
        raise DTypeError(f"input must be a torch.Tensor, got {type(x).__name__}; wrap it in torch.as_tensor.")
    if x.dtype not in _DTYPES:
        raise DTypeError(
            f"input must be float16, bfloat16, float32 or float64, got {x.dtype}; convert it, e.g. x.float()."
        )
    dim = checked_dim(dim)
    if not -x.ndim <= dim < x.ndim:
        raise AxisError(
            f"dim must be an axis of the input, which has rank {x.ndim}, got dim={dim}; "
            + (f"pass a dim from {-x.ndim} to {x.ndim - 1}." if x.ndim else "add a channel axis first.")
        )
    if torch.compiler.is_compiling():
        y = traceable(x, spec, dim % x.ndim)
        return x.copy_(y) if inplace else y
    if not inplace:
        result: Tensor = LocalResponseNormFunction.apply(x, spec, dim % x.ndim)  # type: ignore[no-untyped-call]
        return result
    if x.requires_grad and torch.is_grad_enabled():
        raise InplaceError(
            "inplace=True overwrites the input that the gradient needs, got an input with "
            "requires_grad=True; use inplace=False, or call under torch.no_grad()."
        )
    if _overlaps_itself(x):
        raise InplaceError(
            f"inplace=True needs an input whose elements do not share memory, got strides {x.stride()} for "
            f"shape {tuple(x.shape)}; use inplace=False, or pass x.clone()."
        )
    forward(x.detach(), spec, dim % x.ndim, out=x.detach())
    return x


def _overlaps_itself(x: Tensor) -> bool:
    """Whether two elements may share memory: whether a stride is within the reach of the smaller ones."""
    reach = 0
    for stride, extent in sorted(zip(x.stride(), x.shape, strict=True)):
        if extent > 1:
            if stride <= reach:
                return True
            reach += stride * (extent - 1)
    return False


def checked_dim(dim: int) -> int:
    """Return dim as an int, or say that it is none."""
    try:
        return operator.index(dim)
    except TypeError:
        raise AxisError(
            f"dim must be a whole number, got {dim!r} of type {type(dim).__name__}; pass an int such as 1."
        ) from None
