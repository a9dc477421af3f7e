"""The Keras API on the active backend, for the conformance suite."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import keras
import ml_dtypes
import numpy as np

from conformance import DTYPES, Api, Array
from localnorm import LRNSpec
from localnorm.keras import LocalResponseNormalization

BACKEND = keras.backend.backend()
NUMBERS = {name: np.dtype(getattr(ml_dtypes, name, name)) for name in DTYPES}


@lru_cache
def _layer(dtype: str, spec: LRNSpec, axis: int) -> LocalResponseNormalization:
    return LocalResponseNormalization.from_spec(spec, axis, dtype=dtype)


def _tensorflow(x: Array, grad: Array | None, dtype: str, layer: keras.Layer) -> Any:
    import tensorflow as tf

    tensor = tf.cast(tf.constant(x), dtype)
    with tf.GradientTape() as tape:
        tape.watch(tensor)
        y = layer(tensor)
    return y if grad is None else tape.gradient(y, tensor, tf.cast(tf.constant(grad), dtype))


def _jax(x: Array, grad: Array | None, dtype: str, layer: keras.Layer) -> Any:
    import jax
    import jax.numpy as jnp

    with jax.enable_x64(dtype == "float64"):
        tensor = jnp.asarray(x.astype(NUMBERS[dtype]))
        if grad is None:
            return jax.jit(layer)(tensor)
        return jax.jit(lambda x, grad: jax.vjp(layer, x)[1](grad)[0])(
            tensor, jnp.asarray(grad.astype(NUMBERS[dtype]))
        )


def _torch(x: Array, grad: Array | None, dtype: str, layer: keras.Layer) -> Any:
    import torch

    tensor = torch.from_numpy(np.ascontiguousarray(x)).to(getattr(torch, dtype)).requires_grad_()
    y = layer(tensor)
    if grad is None:
        return y.detach()
    return torch.autograd.grad(y, tensor, torch.from_numpy(np.ascontiguousarray(grad)).to(y.dtype))[0]


_RUN = {"tensorflow": _tensorflow, "jax": _jax, "torch": _torch}


def run(x: Array, grad: Array | None, dtype: str, layer: keras.Layer) -> Array:
    """Return the layer's output, or the gradient for x where a gradient of the output is given."""
    found = _RUN[BACKEND](x, grad, dtype, layer)
    assert keras.backend.standardize_dtype(found.dtype) == dtype
    if BACKEND == "torch":
        return found.double().numpy()
    return np.asarray(found).astype(np.float64)


def _forward(x: Array, dtype: str, spec: LRNSpec, axis: int, layout: str) -> Array:  # noqa: ARG001
    return run(x, None, dtype, _layer(dtype, spec, axis))


def _gradient(x: Array, grad: Array, dtype: str, spec: LRNSpec, axis: int, layout: str) -> Array:  # noqa: ARG001
    return run(x, grad, dtype, _layer(dtype, spec, axis))


KERAS = Api(f"keras-{BACKEND}", DTYPES, _forward, _gradient, compiled=BACKEND != "torch")
