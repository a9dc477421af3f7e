"""Generalized divisive normalization (GDN, IGDN): LRN with a learned weight for every pair of channels."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import handle_torch_function
from torch.utils.checkpoint import checkpoint

from localnorm.axes import whole_axis
from localnorm.errors import AxisError, SpecError
from localnorm.gdn_parameters import at_least_zero, from_tfc, to_compressai, to_tfc
from localnorm.learnable import checked_count
from localnorm.spec import LRNSpec
from localnorm.torch.array_ops import wide_dtype
from localnorm.torch.functional import checked_channel
from localnorm.torch.functorch import native_only, recorded, tracing, transformed


class GDN(nn.Module):
    """Generalized divisive normalization, ``y_i = x_i / sqrt(beta_i + sum_j gamma_ij x_j^2)``.

    The parameters are beta and gamma themselves, and the formula takes ``max(beta, beta_min)`` and
    ``max(gamma, 0)``. The gradient passes through a maximum if a step along it raises the value, so a weight
    that was pushed below its bound can return. Squares of the parameters, the usual way, would need no
    maximum; but a weight of 0 has no gradient there, so a band of zeros as in `from_spec` could never widen,
    and a given value would not be met exactly.

    The arithmetic is in float64 whatever the input's dtype (float32 on MPS devices) and the result is rounded
    once. An infinity or a NaN reaches every channel of its position, because all of them are summed, even with
    weight 0.

    Args:
        num_channels: channels, at least 1.
        inverse: multiply by the root instead, as `IGDN`; default False.
        dim: the channel axis; default 1.
        beta_min: the smallest beta in use, at least 0; default 1e-6.
        gamma_init: the initial gamma_ii, at least 0; default 0.1. Beta starts at 1, the rest of gamma at 0.

        device: of the parameters; default torch's.
        dtype: of the parameters; default torch's.

    Shapes:
        input: any of rank 1 or more, with `num_channels` along `dim`: float16, bfloat16, float32 or float64.
        output: the shape and dtype of the input.
        beta: (num_channels,), gamma: (num_channels, num_channels), float32 unless the module is converted.

    Raises:
        LearnableError: `num_channels` is not a whole number of at least 1 (a ValueError).
        SpecError: `beta_min` or `gamma_init` is negative or not finite (a ValueError).
        AxisError: no such axis, or another number of channels along it (a ValueError and IndexError).
        DTypeError: integers, booleans, complex numbers or 8-bit floats (a TypeError).

    Source: Ballé, Laparra and Simoncelli, "Density modeling of images using a generalized normalization
    transformation", arXiv 1511.06281; "End-to-end optimized image compression", arXiv 1611.01704.

    Example:
        >>> layer = GDN(2, gamma_init=1.0)
        >>> layer(torch.tensor([[0.0, 3.0 ** 0.5]]))
        tensor([[0.0000, 0.8660]], grad_fn=<...>)
    """

    _exponent = -0.5
    """Of the sum; its sign is that of the direction, and the inverse of its size the power of |x|."""
    _start: LRNSpec | None = None
    """The LRN that the module starts as."""

    def __init__(
        self,
        num_channels: int,
        inverse: bool = False,
        *,
        dim: int = 1,
        beta_min: float = 1e-6,
        gamma_init: float = 0.1,
        device: torch.device | str | int | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.num_channels = checked_count(num_channels)
        self.dim = whole_axis(dim, "dim")
        self.beta_min = at_least_zero("beta_min", beta_min)
        self.gamma_init = at_least_zero("gamma_init", gamma_init)
        self.inverse = inverse
        if inverse:
            self._exponent = abs(self._exponent)
        count, where = self.num_channels, {"device": device, "dtype": dtype}
        self.beta = nn.Parameter(torch.empty(count, **where))  # type: ignore[arg-type]
        self.gamma = nn.Parameter(torch.empty(count, count, **where))  # type: ignore[arg-type]
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Set beta and gamma to their initial values again."""
        if self._start is None:
            nn.init.ones_(self.beta)
            nn.init.eye_(self.gamma).mul_(self.gamma_init)
            return
        ones = torch.ones_like(self.gamma)
        # Row i holds the window of channel i.
        band = ones.tril(min(self._start.hi, self.num_channels)).triu(-min(self._start.lo, self.num_channels))
        self.gamma.copy_(self._start.alpha * band)
        nn.init.constant_(self.beta, self._start.k)

    @classmethod
    def from_spec(cls, spec: LRNSpec, num_channels: int, *, dim: int = 1) -> Self:
        """Build the module that starts as this LRN: gamma is alpha in a band and 0 elsewhere, beta is k.

        Raises:
            SpecError: an exponent other than that of the root, a window within a channel (a ValueError).

        Example:
            >>> GDN.from_spec(LRNSpec(lo=1, hi=0, alpha=0.5, beta=0.5, k=2.0), num_channels=3).gamma.data
            tensor([[0.5000, 0.0000, 0.0000],
                    [0.5000, 0.5000, 0.0000],
                    [0.0000, 0.5000, 0.5000]])
        """
        if abs(cls._exponent) != 0.5:
            raise SpecError(
                f"{cls.__name__} can be no LRN, as it takes |x| for x^2, got {spec}; use GDN.from_spec."
            )
        if spec.beta != -cls._exponent:
            raise SpecError(
                f"{cls.__name__} can be an LRN with beta={-cls._exponent} only, as it takes a square root, got "
                f"beta={spec.beta}; use LocalResponseNorm.from_spec(spec, learnable=True) for any other beta."
            )
        if spec.spatial:
            raise SpecError(
                f"{cls.__name__} sums across channels and can't be an LRN within a channel, got "
                f"spatial={spec.spatial}; use LocalResponseNorm.from_spec(spec, learnable=True, per_channel=True)."
            )
        module = cls(num_channels, dim=dim, beta_min=min(1e-6, spec.k))
        module._start = spec
        module.reset_parameters()
        return module

    def _load_from_state_dict(self, state: dict[str, Any], prefix: str, *rest: Any) -> None:  # noqa: ANN401
        """Load a state of this class, or one of CompressAI or TensorFlow Compression, recognized by its names."""
        names = (f"{prefix}reparam_beta", f"{prefix}reparam_gamma")
        if all(name in state for name in names):
            read = from_tfc([_array(state.pop(name)) for name in names], beta_min=self.beta_min)
            state.update({prefix + name: torch.from_numpy(value) for name, value in read._asdict().items()})
        for name in ("beta", "gamma"):
            # CompressAI stores sqrt(value + pedestal), bounded from below; the buffers hold both numbers.
            pedestal = state.pop(f"{prefix}{name}_reparam.pedestal", None)
            bound = state.pop(f"{prefix}{name}_reparam.lower_bound.bound", None)
            if pedestal is not None and bound is not None and f"{prefix}{name}" in state:
                stored = state[f"{prefix}{name}"].double()
                state[f"{prefix}{name}"] = torch.maximum(stored, bound.double()) ** 2 - pedestal.double()
        super()._load_from_state_dict(state, prefix, *rest)

    def to_compressai(self, prefix: str = "") -> dict[str, Tensor]:
        """Return the state dict of CompressAI's layer with these parameters; loading one needs no function.

        Args:
            prefix: put before each name.

        Example:
            >>> other = GDN(2)
            >>> other.load_state_dict(GDN(2, gamma_init=0.3).to_compressai())
            <All keys matched successfully>
        """
        state = to_compressai(_array(self.beta), _array(self.gamma), beta_min=self.beta_min)
        return {prefix + name: torch.from_numpy(value) for name, value in state.items()}

    def to_tfc(self) -> list[NDArray[np.float32]]:
        """Return the weights for ``set_weights`` of TensorFlow Compression's layer with these parameters.

        Example:
            >>> [weight.shape for weight in GDN(2).to_tfc()]
            [(2,), (2, 2)]
        """
        return to_tfc(_array(self.beta), _array(self.gamma), beta_min=self.beta_min)

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  the name that torch.nn gives it
        """Normalize `input`."""
        return normalize_gdn(input, self.beta, self.gamma, self.dim, self.beta_min, self._exponent)

    def extra_repr(self) -> str:
        """Return the arguments that rebuild the module, except for initial values."""
        return (
            f"{self.num_channels}"
            + (", inverse=True" if self.inverse else "")
            + (f", dim={self.dim}" if self.dim != 1 else "")
        )


class IGDN(GDN):
    """The approximate inverse of `GDN` in a decoder, ``y_i = x_i * sqrt(beta_i + sum_j gamma_ij x_j^2)``.

    Arguments, shapes, errors and the bounds of the parameters are those of `GDN`; `from_spec` takes an LRN with
    beta=-0.5.

    Source: Ballé, Laparra and Simoncelli, "End-to-end optimized image compression", arXiv 1611.01704.

    Example:
        >>> IGDN(1, gamma_init=1.0)(torch.tensor([[3.0 ** 0.5]]))
        tensor([[3.4641]], grad_fn=<...>)
    """

    _exponent = 0.5


class GDN1(GDN):
    """GDN with absolute values and no root, ``y_i = x_i / (beta_i + sum_j gamma_ij |x_j|)``.

    Arguments, shapes, errors and the bounds of the parameters are those of `GDN`; `from_spec` is not for it.

    Source: Johnston, Eban, Gordon and Ballé, "Computationally efficient neural image
    compression", arXiv 1912.08771.

    Example:
        >>> GDN1(1, gamma_init=1.0)(torch.tensor([[3.0]]))
        tensor([[0.7500]], grad_fn=<...>)
    """

    _exponent = -1.0


def _array(value: Tensor) -> NDArray[np.float64]:
    """Return a tensor as a float64 array."""
    array: NDArray[np.float64] = value.detach().double().cpu().numpy()
    return array


def normalize_gdn(x: Tensor, beta: Tensor, gamma: Tensor, dim: int, beta_min: float, exponent: float) -> Tensor:
    """Return ``x * (max(beta, beta_min) + max(gamma, 0) |x|^p)^exponent`` along an axis, p = 1 / |exponent|."""
    if recorded(x):
        arguments = (x, beta, gamma, dim, beta_min, exponent)
        return handle_torch_function(normalize_gdn, (x,), *arguments)
    channel = checked_channel(x, dim)
    if x.shape[channel] != len(beta):
        raise AxisError(
            f"input must have {len(beta)} channels along dim={dim}, got {x.shape[channel]}; "
            f"pass num_channels={x.shape[channel]}, or another dim."
        )
    if torch.onnx.is_in_onnx_export():
        return _graph(x, beta.clamp(min=beta_min), gamma.clamp(min=0.0), channel, exponent)
    wide = wide_dtype(x)
    beta, gamma = _bounded(beta, beta_min).to(wide), _bounded(gamma, 0.0).to(wide)
    if torch.is_grad_enabled() and not (torch.compiler.is_compiling() or tracing() or transformed()):
        # Keeps the input alone for the backward pass, which repeats the matrix product.
        y: Tensor = checkpoint(
            _along, x, channel, beta, gamma, exponent, use_reentrant=False, preserve_rng_state=False
        )
    else:
        y = _along(x, channel, beta, gamma, exponent)
    # vmap can't copy into a tensor that is not batched.
    return y.to(x.dtype) if transformed() else torch.empty_like(x).copy_(y)


def _graph(x: Tensor, beta: Tensor, gamma: Tensor, channel: int, exponent: float) -> Tensor:
    """Return the formula in operators that every ONNX runtime has, in float32 unless x is float64.

    OpenCV has no matrix product in float64. Squares of half precision overflow in it.
    """
    wide = torch.float64 if x.dtype is torch.float64 else torch.float32
    w, beta, gamma = x.to(wide), beta.to(wide), gamma.to(wide)
    if channel == 1 and x.ndim == 4:
        s = functional.conv2d(_power(w, exponent), gamma[:, :, None, None], beta)
    else:
        s = (torch.matmul(_power(w, exponent).movedim(channel, -1), gamma.mT) + beta).movedim(-1, channel)
    root = _root(s, exponent)
    return (w / root if exponent < 0 else w * root).to(x.dtype)


def _power(x: Tensor, exponent: float) -> Tensor:
    return x * x if abs(exponent) == 0.5 else x.abs()


def _root(s: Tensor, exponent: float) -> Tensor:
    return s.sqrt() if abs(exponent) == 0.5 else s


def _along(x: Tensor, channel: int, beta: Tensor, gamma: Tensor, exponent: float) -> Tensor:
    """Return ``x * (beta + gamma |x|^p)^exponent`` along a channel axis, in the dtype of the parameters."""
    w = x.to(beta.dtype)
    # The squares of a narrower dtype are in range.
    m = _scale(w, channel) if x.dtype is beta.dtype else None
    scaled = w if m is None else w / m
    terms = _power(scaled, exponent)
    if channel == x.ndim - 1 or x.stride(channel) == 1:
        sums = (terms.movedim(channel, -1) @ gamma.mT).movedim(-1, channel)
    else:
        # Channels first: the positions stay where they are.
        sums = (gamma @ terms.flatten(channel + 1)).view(terms.shape)
    base = beta.view(-1, *[1] * (x.ndim - 1 - channel))
    if m is not None:
        base = base / m / m if abs(exponent) == 0.5 else base / m
    root = _root(sums + base, exponent)
    if exponent < 0:
        return scaled / root
    return w * root if m is None else w * (root * m)


def _scale(x: Tensor, channel: int) -> Tensor:
    """Return a power of two that keeps squares in range, 1 for all but huge x; it does not change the result."""
    largest = x.detach().abs().amax(channel, keepdim=True).nan_to_num(1.0, 1.0)
    return torch.where(largest > _HUGE, largest / 4, 1.0).log2().floor().exp2()


_HUGE = 2.0**60
"""The squares of numbers up to this are in range by a wide margin, even in float32."""


def _bounded(x: Tensor, bound: float) -> Tensor:
    if transformed() and native_only():
        return x.clamp(min=bound)
    bounded: Tensor = (_TransformedBound if transformed() else _LowerBound).apply(x, bound)  # type: ignore[no-untyped-call]
    return bounded


class _LowerBound(torch.autograd.Function):
    """``max(x, bound)``, whose gradient passes if a step along it raises x."""

    @staticmethod
    def forward(x: Tensor, bound: float) -> Tensor:
        return x.clamp(min=bound)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, float], output: Tensor) -> None:  # noqa: ARG004, ANN401
        x, ctx.bound = inputs
        ctx.save_for_backward(x)
        ctx.save_for_forward(x)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:  # noqa: ANN401
        (x,) = ctx.saved_tensors
        return torch.where((x >= ctx.bound) | (grad < 0), grad, 0.0), None


class _TransformedBound(_LowerBound):
    """The same for torch.func and forward mode: torch.compile can't trace a function that supports them."""

    generate_vmap_rule = True

    @staticmethod
    def jvp(ctx: Any, dx: Tensor, _: None) -> Tensor:  # noqa: ANN401
        (x,) = ctx.saved_tensors
        return torch.where(x >= ctx.bound, dx, 0.0)
