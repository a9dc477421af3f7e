"""Parameters of generalized divisive normalization in checkpoints of CompressAI and TensorFlow Compression.

Both store the square root of ``value + pedestal``, bounded from below. CompressAI's gamma[i, j] weights channel j
in the sum of channel i, as here; TensorFlow Compression's is transposed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from localnorm.errors import SpecError

Array = NDArray[np.float32]
OFFSET = 2.0**-18
"""Both add its square, the pedestal."""
_FILES = ("beta", "gamma")


class GDNParameters(NamedTuple):
    """beta of shape (C,) and gamma of shape (C, C), as `localnorm.torch.GDN` and its kin hold them."""

    beta: Array
    gamma: Array


def _value(stored: ArrayLike, minimum: float) -> NDArray[np.float64]:
    """Return the value of a stored root; in float64, where it can be taken back exactly."""
    bound = np.float32(math.sqrt(minimum + OFFSET**2))
    return np.maximum(np.asarray(stored, np.float64), np.float64(bound)) ** 2 - OFFSET**2


def _root(value: ArrayLike, minimum: float) -> Array:
    """Return what is stored of a value."""
    return np.sqrt(np.maximum(np.asarray(value, np.float64), minimum) + OFFSET**2).astype(np.float32)


def _checked(beta: NDArray[np.float64], gamma: NDArray[np.float64]) -> GDNParameters:
    if beta.ndim != 1 or gamma.shape != (len(beta), len(beta)):
        raise SpecError(
            f"GDN must have beta of shape (C,) and gamma of shape (C, C), got {beta.shape} and {gamma.shape}; "
            "pass the weights of one layer."
        )
    return GDNParameters(beta.astype(np.float32), gamma.astype(np.float32))


def from_compressai(state: Mapping[str, ArrayLike], prefix: str = "", *, beta_min: float = 1e-6) -> GDNParameters:
    """Return the parameters in a state dict of CompressAI's GDN or GDN1.

    Args:
        state: arrays by name; the others of a whole model may be there.
        prefix: of the layer's names, as ``"g_a.1."``.
        beta_min: lower bound of beta, CompressAI's default 1e-6.

    Raises:
        SpecError: a missing name, or shapes of no GDN (a ValueError).

    Example:
        >>> from_compressai(to_compressai([1.0], [[0.1]])).gamma
        array([[0.1]], dtype=float32)
    """
    missing = [name for name in _FILES if prefix + name not in state]
    if missing:
        raise SpecError(
            f"a state of GDN must have {prefix}beta and {prefix}gamma, got no {prefix + missing[0]} among "
            f"{', '.join(list(state)[:8]) or 'nothing'}; pass the prefix of the layer."
        )
    return _checked(_value(state[f"{prefix}beta"], beta_min), _value(state[f"{prefix}gamma"], 0.0))


def to_compressai(beta: ArrayLike, gamma: ArrayLike, *, beta_min: float = 1e-6) -> dict[str, Array]:
    """Return the state dict of CompressAI's GDN or GDN1 with these parameters.

    Args:
        beta: shape (C,).
        gamma: shape (C, C).
        beta_min: lower bound of beta, CompressAI's default 1e-6.

    Example:
        >>> sorted(to_compressai([1.0], [[0.1]]))[:2]
        ['beta', 'beta_reparam.lower_bound.bound']
    """
    state: dict[str, Array] = {}
    for name, value, minimum in (("beta", beta, beta_min), ("gamma", gamma, 0.0)):
        state[name] = _root(value, minimum)
        state[f"{name}_reparam.pedestal"] = np.array([OFFSET**2], np.float32)
        state[f"{name}_reparam.lower_bound.bound"] = np.array([math.sqrt(minimum + OFFSET**2)], np.float32)
    return state


def from_tfc(weights: Sequence[ArrayLike] | Mapping[str, ArrayLike], *, beta_min: float = 1e-6) -> GDNParameters:
    """Return the parameters of TensorFlow Compression's GDN layer.

    Its exponents are not among its weights unless it learns them: alpha 1 and epsilon 1 are `GDN1`, alpha 2 and
    epsilon 0.5 are `GDN`.

    Args:
        weights: ``layer.get_weights()``, which is beta and gamma; or arrays by name, of which one ends in
            ``reparam_beta`` and one in ``reparam_gamma``, with or without ``:0``.
        beta_min: lower bound of beta, 1e-6 there.

    Raises:
        SpecError: learned exponents, a missing weight, or shapes of no GDN (a ValueError).

    Example:
        >>> from_tfc(to_tfc([1.0, 1.0], [[0.1, 0.2], [0.0, 0.1]])).gamma.round(3)
        array([[0.1, 0.2],
               [0. , 0.1]], dtype=float32)
    """
    if isinstance(weights, Mapping):
        named = {name.split(":")[0].rsplit("reparam_", 1)[-1]: value for name, value in weights.items()}
        if exponents := sorted({"alpha", "epsilon"} & named.keys()):
            raise SpecError(
                f"GDN must have fixed exponents, got a learned {exponents[0]}; train it further with alpha 2 and "
                "epsilon 0.5, or 1 and 1."
            )
        listed = [named[name] for name in _FILES if name in named]
    else:
        listed = list(weights)
    if len(listed) != 2:
        raise SpecError(
            f"GDN must have two weights, beta and gamma, got {len(listed)}; pass layer.get_weights() of a layer "
            "with fixed exponents."
        )
    beta, gamma = listed
    return _checked(_value(beta, beta_min), _value(gamma, 0.0).T)


def to_tfc(beta: ArrayLike, gamma: ArrayLike, *, beta_min: float = 1e-6) -> list[Array]:
    """Return the weights for ``set_weights`` of TensorFlow Compression's GDN layer.

    Args:
        beta: shape (C,).
        gamma: shape (C, C).
        beta_min: lower bound of beta, 1e-6 there.

    Example:
        >>> [weight.shape for weight in to_tfc([1.0, 1.0], [[0.1, 0.2], [0.0, 0.1]])]
        [(2,), (2, 2)]
    """
    return [_root(beta, beta_min), np.ascontiguousarray(_root(gamma, 0.0).T)]


def at_least_zero(name: str, value: object) -> float:
    """Return a bound or an initial value as a float.

    Raises:
        SpecError: negative, not finite, or no number (a ValueError).

    Example:
        >>> at_least_zero("gamma_init", 1)
        1.0
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise SpecError(f"{name} must be a finite number of at least 0, got {value!r}; pass e.g. 0.1.")
    return float(value)
