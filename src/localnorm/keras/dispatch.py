"""Which door does the work on which backend of Keras."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import keras

from localnorm.errors import BackendError
from localnorm.spec import LRNSpec

Tensor = Any
Apply = Callable[..., Tensor]


def _tensorflow() -> Apply:
    from localnorm.keras.tensorflow import apply_spec

    return apply_spec


def _jax() -> Apply:
    from localnorm.jax.functional import apply_spec

    return apply_spec


def _torch() -> Apply:
    from localnorm.torch.functional import apply_spec

    return partial(apply_spec, inplace=False)


_DOORS: Mapping[str, Callable[[], Apply]] = {"tensorflow": _tensorflow, "jax": _jax, "torch": _torch}


def apply_spec(x: Tensor, spec: LRNSpec, axis: int, learned: dict[str, Tensor]) -> Tensor:
    """Normalize by the door of the backend that Keras runs on."""
    backend = keras.backend.backend()
    if backend not in _DOORS:
        raise BackendError(
            f"the backend of Keras must be one of {', '.join(_DOORS)}, got {backend}; "
            "set the environment variable KERAS_BACKEND before Keras is imported."
        )
    return _DOORS[backend]()(x, spec, axis, learned=learned)
