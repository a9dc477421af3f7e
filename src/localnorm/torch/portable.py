"""LRN in plain torch operations, for every device: the autograd function and its arithmetic."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

from localnorm.spec import LRNSpec
from localnorm.torch.blocks import blocks
from localnorm.torch.limits import limits, outside, put, selected
from localnorm.torch.operations import arithmetic, wide_dtype
from localnorm.torch.window import window_sum

Values = Mapping[str, Tensor]
"""Learned values by name, in the dtype of the arithmetic and the rank of x, of extent 1 where they are shared."""


class Gradients(NamedTuple):
    """The gradient for x, and that for each learned value in its own shape."""

    x: Tensor
    values: dict[str, Tensor]


class LocalResponseNormFunction(torch.autograd.Function):
    """``apply(x, spec, axes, names, *values)``; keeps x and the values, and recomputes the rest."""

    @staticmethod
    def forward(
        x: Tensor, spec: LRNSpec, axes: tuple[int, ...], names: tuple[str, ...], *values: Tensor
    ) -> Tensor:
        """Return the normalized x."""
        return forward(x, spec, axes, dict(zip(names, values, strict=True)), torch.empty_like(x))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:  # noqa: ARG004, ANN401
        """Keep the input."""
        x, ctx.spec, ctx.axes, ctx.names, *values = inputs
        ctx.save_for_backward(x, *values)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        """Return the gradients; themselves differentiable where a graph of them is asked for."""
        x, *rest = ctx.saved_tensors
        values = dict(zip(ctx.names, rest, strict=True))
        compute = _differentiable if torch.is_grad_enabled() else backward
        found = compute(x, grad, ctx.spec, ctx.axes, values)
        return found.x, None, None, None, *(found.values[name] for name in ctx.names)


def forward(x: Tensor, spec: LRNSpec, axes: tuple[int, ...], values: Values, out: Tensor) -> Tensor:
    """Write ``x * s^-beta`` into out, which may be x, and return out."""
    if x.numel() == 0:
        return out
    inside, anywhere = limits(x, spec, values), _columns(x, spec, axes)
    for x_block, out_block, *parts in blocks(axes, x, out, *_spread(values, x)):
        here = _here(values, parts)
        wide = _widened(x_block)
        s = _denominator(window_sum(wide * wide, spec.lo, spec.hi, axes), spec, here)
        mask = outside(s, inside, axes)
        y = _power(s, here.get("beta", spec.beta)).mul_(wide)
        if mask is not None:
            columns = dict(zip(values, (selected(part, mask, axes) for part in parts), strict=True))
            put(y, mask, axes, anywhere.forward(selected(wide, mask, axes), columns))
        out_block.copy_(y)
    return out


def backward(x: Tensor, grad: Tensor, spec: LRNSpec, axes: tuple[int, ...], values: Values) -> Gradients:
    """Return ``g_j s_j^-beta - 2 x_j sum_{c: j in W(c)} alpha beta g_c x_c s_c^(-beta-1)`` and the rest."""
    inside, anywhere = limits(x, spec, values), _columns(x, spec, axes)
    found = Gradients(torch.empty_like(x), {name: torch.zeros_like(value) for name, value in values.items()})
    if x.numel() == 0:
        return found
    spread = [*_spread(values, x), *_spread(found.values, x)]
    for x_block, grad_block, out_block, *rest in blocks(axes, x, grad, found.x, *spread):
        parts, totals = rest[: len(values)], _here(values, rest[len(values) :])
        here = _here(values, parts)
        wide, wide_grad = _widened(x_block), _widened(grad_block)
        squares = window_sum(wide * wide, spec.lo, spec.hi, axes)
        s = _denominator(squares.clone() if "alpha" in values else squares, spec, here)
        mask = outside(s, inside, axes)
        grad_x = _power(s, here.get("beta", spec.beta)).mul_(wide_grad)
        terms = _terms(grad_x * wide, s, squares, spec, here) if values else {}
        _subtract_through(grad_x, wide, s, spec, axes, here)
        if mask is not None:
            columns = dict(zip(values, (selected(part, mask, axes) for part in parts), strict=True))
            exact = anywhere.backward(selected(wide, mask, axes), selected(wide_grad, mask, axes), columns)
            put(grad_x, mask, axes, exact.x)
            for name, term in terms.items():
                put(term, mask, axes, exact.values[name])
        out_block.copy_(grad_x)
        for name, term in terms.items():
            totals[name].add_(_shared(term, values[name]))
    return found


class TraceableFunction(torch.autograd.Function):
    """The same without a look at any value, for ``torch.compile`` and ``torch.export``."""

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401
        x: Tensor,
        spec: LRNSpec,
        axes: tuple[int, ...],
        names: tuple[str, ...],
        *values: Tensor,
    ) -> Tensor:
        """Return the normalized x."""
        ctx.spec, ctx.axes, ctx.names = spec, axes, names
        ctx.save_for_backward(x, *values)
        return _anywhere(x, spec, axes, dict(zip(names, values, strict=True)))

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        """Return the gradients."""
        x, *rest = ctx.saved_tensors
        found = _differentiable(x, grad, ctx.spec, ctx.axes, dict(zip(ctx.names, rest, strict=True)))
        return found.x, None, None, None, *(found.values[name] for name in ctx.names)


def traceable(x: Tensor, spec: LRNSpec, axes: tuple[int, ...], values: Values) -> Tensor:
    """Return the normalized x by `TraceableFunction`, where a gradient may be needed."""
    if not (torch.is_grad_enabled() and any(tensor.requires_grad for tensor in (x, *values.values()))):
        return _anywhere(x, spec, axes, values)
    y: Tensor = TraceableFunction.apply(x, spec, axes, tuple(values), *values.values())  # type: ignore[no-untyped-call]
    return y


def _anywhere(x: Tensor, spec: LRNSpec, axes: tuple[int, ...], values: Values) -> Tensor:
    y = arithmetic(x, spec, axes).forward(_widened(x), values)
    # A dense x keeps its memory format; what else x may be, only its shape.
    return torch.empty_like(x).copy_(y)


def without_sum(x: Tensor, spec: LRNSpec, values: Values) -> Tensor:
    """Return ``x * k^-beta``, which is all that alpha = 0 leaves; autograd needs no help with that."""
    k = values.get("k", torch.full((), spec.k, dtype=wide_dtype(x), device=x.device))
    # Half of the exponent at a time: the whole power may be out of range where the result is not.
    root = k.pow(-values.get("beta", spec.beta) / 2)
    return torch.empty_like(x).copy_(_widened(x) * root * root)


def _differentiable(x: Tensor, grad: Tensor, spec: LRNSpec, axes: tuple[int, ...], values: Values) -> Gradients:
    """The gradients in operations whose derivatives torch knows, for derivatives of every order."""
    found = arithmetic(x, spec, axes).backward(_widened(x), _widened(grad), values)
    return Gradients(
        found.x.to(x.dtype), {name: _shared(found.values[name], value) for name, value in values.items()}
    )


def _widened(x: Tensor) -> Tensor:
    return x.to(wide_dtype(x))


def _columns(x: Tensor, spec: LRNSpec, axes: tuple[int, ...]) -> Any:  # noqa: ANN401
    """Return the arithmetic for what `selected` returns."""
    return arithmetic(x, spec, tuple(range(1, len(axes) + 1)))


def _spread(values: Values, x: Tensor) -> list[Tensor]:
    """Return each value seen as a tensor of the shape of x, which blocks are cut from."""
    return [value.expand(x.shape) for value in values.values()]


def _here(values: Values, parts: list[Tensor]) -> dict[str, Tensor]:
    """Return the values of a block in their own memory, of extent 1 again where they are shared."""
    found = {}
    for (name, value), part in zip(values.items(), parts, strict=True):
        for axis, extent in enumerate(value.shape):
            part = part.narrow(axis, 0, 1) if extent == 1 else part
        found[name] = part
    return found


def _shared(term: Tensor, value: Tensor) -> Tensor:
    """Sum over all the elements that share a value."""
    shared = [axis for axis, extent in enumerate(value.shape) if extent == 1]
    return term.sum(shared, keepdim=True) if shared else term


def _denominator(squares: Tensor, spec: LRNSpec, here: Values) -> Tensor:
    """Return ``s = k + alpha * sum_{j in W(c)} x_j^2`` in the memory of the sums."""
    return squares.mul_(here.get("alpha", spec.alpha)).add_(here.get("k", spec.k))


def _power(s: Tensor, beta: float | Tensor) -> Tensor:
    """Return ``s^-beta``; two square roots cost less than a power where they do, as for the usual beta."""
    if isinstance(beta, float) and beta == 0.75:
        root = s.sqrt()
        return root.mul_(root.sqrt()).reciprocal_()
    return s.pow(-beta)


def _terms(product: Tensor, s: Tensor, squares: Tensor, spec: LRNSpec, here: Values) -> dict[str, Tensor]:
    """Return, for each learned value, what to sum over the elements that share it; product is ``g x s^-beta``."""
    beta = here.get("beta", spec.beta)
    terms: dict[str, Callable[[], Tensor]] = {
        "k": lambda: product / s * -beta,
        "alpha": lambda: product / s * squares * -beta,
        "beta": lambda: product * s.log() * -1,
    }
    return {name: terms[name]() for name in here}


def _subtract_through(
    direct: Tensor, x: Tensor, s: Tensor, spec: LRNSpec, axes: tuple[int, ...], here: Values
) -> None:
    """Subtract what reaches x through the sums of its neighbours; overwrites s."""
    h = torch.div(direct, s, out=s).mul_(x)
    factor = 2 * here.get("alpha", spec.alpha) * here.get("beta", spec.beta)
    if isinstance(factor, Tensor):
        h, factor = h.mul_(factor), 1.0
    # The window of c holds j where the mirrored window of j holds c.
    direct.sub_(window_sum(h, spec.hi, spec.lo, axes).mul_(x), alpha=factor)
