"""LRN by the plain formula and, where that is out of range, by the arithmetic that is right everywhere.

This is what runs when values can be looked at: on any device, in blocks, with memory used again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from localnorm.spec import LRNSpec
from localnorm.torch.array_ops import arithmetic, widened
from localnorm.torch.blocks import blocks
from localnorm.torch.limits import limits, outside, put, selected
from localnorm.torch.traced import Gradients, Values, shared
from localnorm.torch.window_sums import window_sum


def forward(x: Tensor, spec: LRNSpec, axes: tuple[int, ...], values: Values, out: Tensor) -> Tensor:
    """Write ``x * s^-beta`` into out, which may be x, and return out."""
    if x.numel() == 0:
        return out
    inside, anywhere = limits(x, spec, values), _columns(x, spec, axes)
    for x_block, out_block, *parts in blocks(axes, x, out, *_spread(values, x)):
        here = _here(values, parts)
        wide = widened(x_block)
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
        wide, wide_grad = widened(x_block), widened(grad_block)
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
            totals[name].add_(shared(term, values[name]))
    return found


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
