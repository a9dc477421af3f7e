"""JAX primitives that call the compiled CPU kernel through XLA's foreign function interface (FFI).

A primitive computes what the array operations that it is made of compute; on CPUs it calls a handler of the
library ``localnorm_cpu``. That choice is made when XLA code is generated, because a traced function does not know
its platform. The array operations are used

- on GPUs and TPUs, and where the library can't be loaded;
- for derivatives of a primitive, which are the second derivatives of LRN: JAX can't differentiate a call;
- under ``jax.export``, because an exported function must run on machines without this library;
- in ``jax.jit`` over several devices, because XLA can't partition a call and would copy all of the array to every
  device. Under ``jax.shard_map`` and ``jax.pmap`` each device calls the kernel.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Any

import jax
import jax.ffi
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

from localnorm.kernels.available import cpu_kernel
from localnorm.spec import LRNSpec

Operations = Callable[..., Array]
"""``operations(*arrays, spec=spec, axes=axes)`` for arrays of one shape and dtype, with axes counted from -1."""

_MAX_RANK = 60
"""The kernel takes 64 axes, a few of which are left for vmap."""


def with_cpu_kernel(handler: str, operations: Operations) -> Operations:
    """Return a function that calls a handler of the CPU library if it can, and otherwise the array operations.

    Args:
        handler: the handler's name in the library, which is also its name in XLA.
        operations: the same in array operations.
    """
    primitive = _primitive(handler, operations)

    def call(*arrays: Array, spec: LRNSpec, axes: tuple[int, ...]) -> Array:
        if arrays[0].ndim > _MAX_RANK or not _registered(handler):
            return operations(*arrays, spec=spec, axes=axes)
        result: Array = primitive.bind(*arrays, spec=spec, axes=axes)
        return result

    return call


@cache
def _registered(handler: str) -> bool:
    """Return whether XLA knows the handler. The first call loads the library and registers it."""
    kernel = cpu_kernel()
    if kernel is None:
        return False
    capsule = jax.ffi.pycapsule(getattr(kernel.library().loaded, handler))  # type: ignore[no-untyped-call]
    jax.ffi.register_ffi_target(handler, capsule, platform="cpu")
    return True


def _primitive(handler: str, operations: Operations) -> Any:  # noqa: ANN401  its methods have no types
    def value_and_tangent(
        primals: tuple[Array, ...], tangents: tuple[Any, ...], *, spec: LRNSpec, axes: tuple[int, ...]
    ) -> tuple[Array, Array]:
        known = tuple(ad.instantiate_zeros(tangent) for tangent in tangents)  # type: ignore[no-untyped-call]
        result: tuple[Array, Array] = jax.jvp(partial(operations, spec=spec, axes=axes), primals, known)
        return result

    def batched(
        arrays: Sequence[Array], batch_axes: Sequence[int | None], *, spec: LRNSpec, axes: tuple[int, ...]
    ) -> tuple[Array, int]:
        pairs = list(zip(arrays, batch_axes, strict=True))
        size = next(array.shape[axis] for array, axis in pairs if axis is not None)
        in_front = [
            jnp.broadcast_to(array, (size, *array.shape)) if axis is None else jnp.moveaxis(array, axis, 0)
            for array, axis in pairs
        ]
        return primitive.bind(*in_front, spec=spec, axes=axes), 0

    def lower_for_cpu(
        context: mlir.LoweringRuleContext, *operands: object, spec: LRNSpec, axes: tuple[int, ...]
    ) -> Any:  # noqa: ANN401  a class that JAX does not publish
        if not _for_one_device_here(context.module_context):
            return lower(context, *operands, spec=spec, axes=axes)
        [shape] = {aval.shape for aval in context.avals_in}  # type: ignore[attr-defined]
        return jax.ffi.ffi_lowering(handler)(context, *operands, **_attributes(shape, spec, axes))

    lower = mlir.lower_fun(operations, multiple_results=False)
    primitive: Any = Primitive(handler)
    primitive.def_abstract_eval(lambda x, *_, **__: x.update(weak_type=False))
    primitive.def_impl(jax.jit(primitive.bind, static_argnames=("spec", "axes")))
    ad.primitive_jvps[primitive] = value_and_tangent
    batching.primitive_batchers[primitive] = batched
    mlir.register_lowering(primitive, lower)
    mlir.register_lowering(primitive, lower_for_cpu, platform="cpu")
    if not hasattr(jax, "shard_map"):
        # JAX 0.5 asks for a rule about replicated values; later versions see it in the types.
        shard_map = importlib.import_module("jax.experimental.shard_map")
        shard_map.register_standard_check(primitive)
        shard_map.register_standard_rewrite(primitive)
    return primitive


def _attributes(shape: tuple[int, ...], spec: LRNSpec, axes: tuple[int, ...]) -> dict[str, np.generic]:
    """Return what native/src/xla_ffi.cpp reads."""
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
