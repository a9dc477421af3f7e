"""Call the framework API that matches the Keras backend."""

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


_APIS: Mapping[str, Callable[[], Apply]] = {"tensorflow": _tensorflow, "jax": _jax, "torch": _torch}


def apply_spec(x: Tensor, spec: LRNSpec, axis: int, learned: dict[str, Tensor]) -> Tensor:
    """Normalize by the API of the active Keras backend."""
    backend = keras.backend.backend()
    if backend not in _APIS:
        raise BackendError(
            f"the Keras backend must be one of {', '.join(_APIS)}, got {backend}; "
            "set the environment variable KERAS_BACKEND before Keras is imported."
        )
    return _APIS[backend]()(x, spec, axis, learned=learned)
