"""JAX API: `local_response_norm`, and `LocalResponseNorm` as a Flax NNX module."""

from __future__ import annotations

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
    from localnorm.jax.module import LocalResponseNorm

__all__ = ["LocalResponseNorm", "local_response_norm"]


def __getattr__(name: str) -> Any:  # noqa: ANN401  Python's own signature
    """Import the module only when it is asked for: the function needs no Flax."""
    if name != "LocalResponseNorm":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        from localnorm.jax.module import LocalResponseNorm
    except ImportError as problem:
        raise MissingExtraError(
            "localnorm.jax.LocalResponseNorm needs Flax, which can't be imported here; "
            "install it with: pip install 'localnorm[jax]'."
        ) from problem
    return LocalResponseNorm
