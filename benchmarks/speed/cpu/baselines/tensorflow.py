"""TensorFlow's ``tf.nn.local_response_normalization``, which supports channels last only."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from benchmarks.speed.cpu.case import FORWARD, Case, CaseData, Ready

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

Call = Callable[..., Any]


@cache
def _tensorflow(threads: int) -> Any:  # noqa: ANN401  TensorFlow has no types
    """Return TensorFlow with its number of threads, which can be set once per process."""
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    return tf


def eager(case: Case, data: CaseData) -> Ready:
    """Called op by op."""
    return _ready(case, data, lambda call: call)


def function(case: Case, data: CaseData) -> Ready:
    """In a ``tf.function``."""
    tf = _tensorflow(case.threads)
    return _ready(case, data, tf.function)


def xla(case: Case, data: CaseData) -> Ready:
    """In a ``tf.function`` that XLA compiles."""
    tf = _tensorflow(case.threads)
    return _ready(case, data, lambda call: tf.function(call, jit_compile=True))


def _ready(case: Case, data: CaseData, wrap: Callable[[Call], Call]) -> Ready:
    tf = _tensorflow(case.threads)
    arguments = case.spec.to_tensorflow()
    x, grad = (tf.constant(case.in_memory_order(tensor)) for tensor in data)

    def forward(x: Any) -> Any:  # noqa: ANN401
        return tf.nn.local_response_normalization(x, **arguments)

    def both(x: Any, grad: Any) -> Any:  # noqa: ANN401
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = forward(x)
        return tape.gradient(y, x, grad)

    call = wrap(forward) if case.measure == FORWARD else wrap(both)
    inputs = (x,) if case.measure == FORWARD else (x, grad)
    # On a CPU, kernels run synchronously.
    return Ready(lambda: call(*inputs), lambda: case.channels_first(np.asarray(call(*inputs))))
