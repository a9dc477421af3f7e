"""JAX primitives that call the compiled CPU kernel through XLA's foreign function interface (FFI).

A primitive computes what the array operations that it is made of compute; on CPUs it calls a handler of the
library ``localnorm_cpu``. That choice is made when XLA code is generated, because a traced function does not know
its platform. The array operations are used

- on GPUs and TPUs, and where the library can't be loaded;
- for learned values, for tangents, and for derivatives from the second on;
- under ``jax.export``, because an exported function must run on machines without this library;
- in ``jax.jit`` over several devices, because XLA can't partition a call and would copy all of the array to every
  device. Under ``jax.shard_map`` and ``jax.pmap`` each device calls the kernel.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, NamedTuple

import jax
import jax.ffi
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.extend.core import Primitive
from jax.interpreters import batching, mlir

from localnorm.kernels.available import cpu_kernel
from localnorm.spec import LRNSpec


class Settings(NamedTuple):
    """The parameters of a primitive: the window's axes counted from -1, and the names of the learned values."""

    spec: LRNSpec
    axes: tuple[int, ...]
    names: tuple[str, ...]


Operations = Callable[..., list[Array]]
"""``operations(*arrays, settings=settings)`` for arrays of one rank."""

_MAX_RANK = 64
"""The most axes that the kernel takes."""


def primitive(name: str, operations: Operations, outputs: slice, handler: str | None = None) -> Any:  # noqa: ANN401
    """Return a primitive that computes the array operations, and without learned values calls a handler on CPUs.

    Args:
        name: the primitive's name.
        operations: the array operations.
        outputs: the operands whose shapes and dtypes the results have.
        handler: the handler's name in the library, which is also its name in XLA; default none.
    """

    def batched(
        arrays: Sequence[Array], axes: Sequence[int | None], **settings: Settings
    ) -> tuple[Any, list[int]]:
        size = next(array.shape[axis] for array, axis in zip(arrays, axes, strict=True) if axis is not None)
        in_front = [
            jnp.broadcast_to(array, (size, *array.shape)) if axis is None else jnp.moveaxis(array, axis, 0)
            for array, axis in zip(arrays, axes, strict=True)
        ]
        results = new.bind(*in_front, **settings)
        return results, [0] * len(results)

    def lower_for_cpu(context: mlir.LoweringRuleContext, *operands: object, settings: Settings) -> Any:  # noqa: ANN401
        [shape, *_] = [aval.shape for aval in context.avals_in]  # type: ignore[attr-defined]
        usable = not settings.names and len(shape) <= _MAX_RANK and _for_one_device_here(context.module_context)
        if handler is None or not usable or not _registered(handler):
            return lower(context, *operands, settings=settings)
        return jax.ffi.ffi_lowering(handler)(context, *operands, **_attributes(shape, settings))

    def compute(*arrays: Array, settings: Settings) -> list[Array]:
        run = operations if jax.config.jax_disable_jit else compiled  # type: ignore[attr-defined]
        results: list[Array] = run(*arrays, settings=settings)
        return results

    lower = mlir.lower_fun(operations, multiple_results=True)
    new: Any = Primitive(name)
    new.multiple_results = True
    compiled = jax.jit(new.bind, static_argnames="settings")
    new.def_abstract_eval(lambda *avals, **_: [aval.update(weak_type=False) for aval in avals[outputs]])
    new.def_impl(compute)
    batching.primitive_batchers[new] = batched
    mlir.register_lowering(new, lower)
    mlir.register_lowering(new, lower_for_cpu, platform="cpu")
    if not hasattr(jax, "shard_map"):
        # JAX 0.5 asks for a rule about replicated values; later versions see it in the types.
        shard_map = importlib.import_module("jax.experimental.shard_map")
        shard_map.register_standard_check(new)
        shard_map.register_standard_rewrite(new)
    return new


def varying_alike(arrays: Sequence[Array]) -> list[Array]:
    """Return operands that vary over the same devices, which ``jax.shard_map`` keeps in the types of arrays.

    A product adds the axes of the other factor, and the gradient's sum over them; XLA removes a factor of 1.
    """
    if len(arrays) == 1 or not any(isinstance(array, jax.core.Tracer) for array in arrays):
        return list(arrays)
    one = math.prod(jnp.ones_like(array, shape=(), dtype="float32") for array in arrays)
    return [array * jnp.asarray(one, array.dtype) for array in arrays]


@cache
def _registered(handler: str) -> bool:
    """Return whether XLA knows the handler. The first call loads the library and registers it."""
    kernel = cpu_kernel()
    if kernel is None:
        return False
    capsule = jax.ffi.pycapsule(getattr(kernel.library().loaded, handler))  # type: ignore[no-untyped-call]
    jax.ffi.register_ffi_target(handler, capsule, platform="cpu")
    return True


def _attributes(shape: tuple[int, ...], settings: Settings) -> dict[str, np.generic]:
    """Return what native/src/xla_ffi.cpp reads."""
    spec, axes = settings.spec, settings.axes
    longest = max(shape[axis] for axis in axes)
    return {
        "k": np.float64(spec.k),
        "alpha": np.float64(spec.alpha),
        "beta": np.float64(spec.beta),
        "lo": np.int64(min(spec.lo, longest)),
        "hi": np.int64(min(spec.hi, longest)),
        "window_axes": np.int64(sum(1 << (-1 - axis) for axis in axes)),
    }


def _for_one_device_here(module: Any) -> bool:  # noqa: ANN401  a class that JAX does not publish
    """Return whether the code is for one device, or the share of one, and is to run in this process."""
    if module.lowering_parameters.for_export:
        return False
    context = module.axis_context
    if hasattr(context, "manual_axes"):
        return set(context.manual_axes) == set(context.mesh.axis_names)
    return bool(getattr(context, "num_devices", 1) == 1)
