"""Keras 3 API: `LocalResponseNormalization`, `GDN`, `IGDN` and `GDN1`, on TensorFlow, JAX and torch."""

from __future__ import annotations

from localnorm.errors import MissingExtraError

try:
    import keras as _keras  # noqa: F401
except ImportError as problem:
    # Keras imports its backend at once, so a missing backend fails here, too.
    absent = (problem.name or "keras").partition(".")[0]
    extra = absent if absent in ("tensorflow", "jax", "torch") else "keras"
    raise MissingExtraError(
        f"localnorm.keras needs Keras 3 and the backend that Keras is set to; {absent} can't be imported here. "
        f"Install it with: pip install 'localnorm[{extra}]', or choose another backend with the environment "
        "variable KERAS_BACKEND."
    ) from problem

from localnorm.keras.gdn import GDN, GDN1, IGDN
from localnorm.keras.layer import LocalResponseNormalization
from localnorm.keras.legacy import legacy_objects, load_legacy_model
from localnorm.keras.pooled import PooledResponseNormalization

__all__ = [
    "GDN",
    "GDN1",
    "IGDN",
    "LocalResponseNormalization",
    "PooledResponseNormalization",
    "legacy_objects",
    "load_legacy_model",
]
