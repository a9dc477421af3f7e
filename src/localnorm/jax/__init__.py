"""JAX API: `local_response_norm`; `LocalResponseNorm`, `GDN`, `IGDN` and `GDN1` as Flax NNX modules."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from localnorm.errors import MissingExtraError

try:
    import jax as _jax  # noqa: F401
except ImportError as problem:
    raise MissingExtraError(
        "localnorm.jax needs JAX, which can't be imported here; install it with: pip install 'localnorm[jax]'."
    ) from problem

from localnorm.jax.functional import local_response_norm

if TYPE_CHECKING:
    from localnorm.jax.gdn import GDN, GDN1, IGDN
    from localnorm.jax.module import LocalResponseNorm

_MODULES = {"LocalResponseNorm": "module", "GDN": "gdn", "GDN1": "gdn", "IGDN": "gdn"}
__all__ = ["GDN", "GDN1", "IGDN", "LocalResponseNorm", "local_response_norm"]


def __getattr__(name: str) -> Any:  # noqa: ANN401  Python's own signature
    """Import the module only when it is asked for: the function needs no Flax."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    except ImportError as problem:
        raise MissingExtraError(
            f"localnorm.jax.{name} needs Flax, which can't be imported here; "
            "install it with: pip install 'localnorm[jax]'."
        ) from problem
