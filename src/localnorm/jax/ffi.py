"""JAX primitives that call the compiled CPU kernel through XLA's foreign function interface (FFI).

A primitive has the same meaning as the array operations that it is made from, and on CPUs a faster implementation.
The choice is made when XLA code is generated, because a traced function does not know its platform. The array
operations are used

- on GPUs and TPUs, and where no library could be loaded;
- for derivatives of a primitive (the second derivatives of LRN), because XLA can't differentiate a call;
- under ``jax.export``: an exported function must run on machines without this library;
- where XLA partitions the arrays itself (``jax.jit`` over several devices): it can't look into a call, and would
  bring all of the array to every device. Under ``jax.shard_map`` and ``jax.pmap`` each device calls the kernel.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

from localnorm.spec import LRNSpec

ArrayOperations = Callable[..., Array]
"""``operations(*arrays, spec=spec, axes=axes)``: axes counted from the last one, -1; arrays of one shape and dtype."""


def on_cpu_kernel(handler: str) -> Callable[[ArrayOperations], ArrayOperations]:
    """Return a decorator that makes array operations call a handler of the CPU library where that is possible.

    Args:
        handler: the name of the function in the library, "localnorm_xla_forward", say.
    """

    def decorate(operations: ArrayOperations) -> ArrayOperations:
        primitive = _primitive(handler, operations)

        def call(*arrays: Array, spec: LRNSpec, axes: tuple[int, ...]) -> Array:
            if arrays[0].ndim > _MAX_RANK or not _registered(handler):
                return operations(*arrays, spec=spec, axes=axes)
            found: Array = primitive.bind(*arrays, spec=spec, axes=axes)
            return found

        return call

    return decorate


_MAX_RANK = 60
"""The kernel takes 64 axes; some are left for vmap."""


def _primitive(handler: str, operations: ArrayOperations) -> Primitive:
    primitive = Primitive(handler)

    def value_and_tangent(
        primals: Sequence[Array], tangents: Sequence[Any], *, spec: LRNSpec, axes: tuple[int, ...]
    ) -> tuple[Array, Array]:
        known = [ad.instantiate_zeros(tangent) for tangent in tangents]
        found: tuple[Array, Array] = jax.jvp(partial(operations, spec=spec, axes=axes), tuple(primals), tuple(known))
        return found

    def batched(arrays: Sequence[Array], dims: Sequence[int | None], **params: Any) -> tuple[Array, int]:  # noqa: ANN401
        size = next(array.shape[dim] for array, dim in zip(arrays, dims, strict=True) if dim is not None)
        in_front = [
            jnp.broadcast_to(array, (size, *array.shape)) if dim is None else jnp.moveaxis(array, dim, 0)
            for array, dim in zip(arrays, dims, strict=True)
        ]
        return primitive.bind(*in_front, **params), 0

    def lower_for_cpu(ctx: mlir.LoweringRuleContext, *operands: Any, spec: LRNSpec, axes: tuple[int, ...]) -> Any:  # noqa: ANN401
        if not _may_call(ctx.module_context):
            return lower(ctx, *operands, spec=spec, axes=axes)
        attributes = _attributes(ctx.avals_in[0].shape, spec, axes)
        return jax.ffi.ffi_lowering(handler)(ctx, *operands, **attributes)

    lower = mlir.lower_fun(operations, multiple_results=False)
    primitive.def_abstract_eval(lambda x, *_, **__: x.update(weak_type=False))
    primitive.def_impl(jax.jit(primitive.bind, static_argnames=("spec", "axes")))
    ad.primitive_jvps[primitive] = value_and_tangent
    batching.primitive_batchers[primitive] = batched
    mlir.register_lowering(primitive, lower)
    mlir.register_lowering(primitive, lower_for_cpu, platform="cpu")
    return primitive


def _attributes(shape: tuple[int, ...], spec: LRNSpec, axes: tuple[int, ...]) -> dict[str, np.generic]:
    longest = max([1, *(shape[axis] for axis in axes)])
    return {
        "k": np.float64(spec.k),
        "alpha": np.float64(spec.alpha),
        "beta": np.float64(spec.beta),
        "lo": np.int64(min(spec.lo, longest)),
        "hi": np.int64(min(spec.hi, longest)),
        "window_axes": np.int64(sum(1 << (-1 - axis) for axis in axes)),
    }


def _may_call(module: Any) -> bool:  # noqa: ANN401  a class that JAX keeps to itself
    """Whether code for one device is generated, in this process."""
    if module.lowering_parameters.for_export:
        return False
    context = module.axis_context
    manual = getattr(context, "manual_axes", None)
    if manual is not None:
        return set(manual) == set(context.mesh.axis_names)
    return bool(getattr(context, "num_devices", 1) == 1)


@lru_cache
def _registered(handler: str) -> bool:
    """Whether XLA knows the handler; the first call registers it."""
    library = _library()
    if library is None:
        return False
    jax.ffi.register_ffi_target(handler, jax.ffi.pycapsule(getattr(library, handler)), platform="cpu")
    return True


@lru_cache
def _library() -> ctypes.CDLL | None:
    from pathlib import Path

    import localnorm.kernels

    path = Path(localnorm.kernels.__file__).parent / "cpu" / "localnorm_cpu.so"
    try:
        return ctypes.CDLL(str(path))
    except OSError:
        return None
