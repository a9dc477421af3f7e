"""Time the Keras API on TensorFlow next to tf.nn: ``python -m benchmarks.speed.keras_api``.

Both eagerly, in a ``tf.function``, and in one compiled by XLA, as Keras does in training.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import product
from typing import Any

import numpy as np
import tensorflow as tf
from rich.console import Console
from rich.table import Table

from benchmarks.speed.rounds import ROUNDS, Times
from localnorm import LRNSpec, reference
from localnorm.keras.tensorflow import apply_spec

SHAPES = ((32, 55, 55, 96), (32, 28, 28, 192))
SPECS = [LRNSpec(2, 2, 1e-4, beta, 1.0) for beta in (0.75, 0.6)]
Tensor = Any
Forward = Callable[[Tensor], Tensor]
CALLS: dict[str, Callable[[Callable[..., Any]], Callable[..., Any]]] = {
    "eager": lambda run: run,
    "tf.function": lambda run: tf.function(run),
    "XLA": lambda run: tf.function(run, jit_compile=True),
}


def forwards(spec: LRNSpec) -> dict[str, Forward]:
    """Return localnorm's function and TensorFlow's."""
    arguments = spec.to_tensorflow()
    return {
        "localnorm": lambda x: apply_spec(x, spec, -1, {}),
        "tf.nn": lambda x: tf.nn.local_response_normalization(x, **arguments),
    }


def _both(forward: Forward) -> Callable[[Tensor, Tensor], Any]:
    def passes(x: Tensor, grad: Tensor) -> Any:  # noqa: ANN401
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = forward(x)
        return y, tape.gradient(y, x, grad)

    return passes


def _cells(shape: tuple[int, ...], spec: LRNSpec, call: str) -> list[str]:
    x = tf.constant(np.random.default_rng(0).normal(size=shape), tf.float32)
    grad = tf.reverse(x, [0])
    cells = []
    for wrap, arguments in ((lambda f: f, (x,)), (_both, (x, grad))):
        compiled = {name: CALLS[call](wrap(forward)) for name, forward in forwards(spec).items()}
        # On a CPU, kernels run synchronously.
        times = Times({name: partial(run, *arguments) for name, run in compiled.items()})
        cells += [f"{times.milliseconds(name):.1f}" for name in compiled]
        cells.append(f"{times.ratio('localnorm', 'tf.nn'):.2f}")
    return cells


def main() -> None:
    """Print errors, then milliseconds and ratios for every shape, exponent and way to call."""
    out = Console()
    out.print(f"tensorflow {tf.__version__}, CPU, float32, window 5, medians of {ROUNDS} rounds")
    for spec in SPECS:
        x = np.random.default_rng(0).normal(size=(2, 3, 5, 48)).astype(np.float32) * 100
        wanted = reference.forward(x, spec, -1)
        for name, forward in forwards(spec).items():
            error = np.max(np.abs(forward(tf.constant(x)).numpy() / wanted - 1)) / np.finfo(np.float32).eps
            out.print(f"beta {spec.beta}, {name}: worst error {error:.1f} epsilons", highlight=False)
            if name == "localnorm" and error > 8:
                raise SystemExit("localnorm is not exact here: nothing is timed")
    table = Table(title="milliseconds; ratio: localnorm / tf.nn", title_justify="left")
    for heading in ("shape", "beta", "called", "forward", "tf.nn", "ratio", "and backward", "tf.nn", "ratio"):
        table.add_column(heading, justify="right")
    for shape, spec, call in product(SHAPES, SPECS, CALLS):
        table.add_row("x".join(map(str, shape)), str(spec.beta), call, *_cells(shape, spec, call))
    out.print(table)


if __name__ == "__main__":
    main()
