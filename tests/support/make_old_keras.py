"""Write the old Keras models in old_keras/ by Keras 2: ``python tests/support/make_old_keras.py`` with tf-keras 2.

One model for each lineage of LRN layers: input, the layer, a Dense layer. The layers compute and keep what the
published ones do. Also writes their outputs for `images`, which the tests compare with.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent / "old_keras"
SHAPE = (8, 6, 7)
LAMBDA = "lambda x: tf.nn.lrn(x, alpha=1e-2, beta=0.75)"
"""As text, so that its code holds no path."""
ZIPPED = ("b_caffe", "d_tensorflow", "e_lambda")
"""Also written as ``.keras``, as late releases of Keras 2 do."""


def images() -> np.ndarray:
    """Return the input: numbers large enough that readings differ."""
    return np.random.default_rng(7).normal(scale=20, size=(2, *SHAPE)).astype("float32")


def _layers() -> dict:  # noqa: C901  classes
    import tensorflow as tf
    import tf_keras as keras

    class Kept(keras.layers.Layer):
        """Keeps n, alpha, beta and k."""

        def __init__(self, alpha=1e-4, k=1, beta=0.75, n=5, **kwargs):
            super().__init__(**kwargs)
            self.alpha, self.k, self.beta, self.n = alpha, k, beta, n

        def get_config(self):
            values = {"alpha": self.alpha, "k": self.k, "beta": self.beta, "n": self.n}
            return {**super().get_config(), **values}

        def windows(self, x, axis, alpha):
            """Return the denominator with a window of n elements that starts n // 2 below."""
            half, extent = self.n // 2, x.shape[axis]
            padded = tf.pad(tf.square(x), [(half, half) if a == axis else (0, 0) for a in range(4)])
            total = sum(tf.gather(padded, range(i, i + extent), axis=axis) for i in range(self.n))
            return (self.k + alpha * total) ** self.beta

        def pooled(self, x, size, alpha, across):
            mean = keras.backend.pool2d(tf.square(x), (size, size), (1, 1), "same", pool_mode="avg")
            mean = tf.reduce_sum(mean, axis=3, keepdims=True) if across else mean
            return x / (self.k + alpha * mean) ** self.beta

    def lineage(name, call):
        return type(name, (Kept,), {"call": call})

    def caffe(self, x):
        return x / self.windows(x, 1, self.alpha / self.n)

    def wrapper(self, x):
        return tf.nn.lrn(x, depth_radius=self.depth_radius, bias=self.bias, alpha=self.alpha, beta=self.beta)

    def hard_coded(_, x):
        return tf.nn.lrn(x, depth_radius=2, bias=1, alpha=1e-2, beta=0.75)

    class LocalResponseNormalization(keras.layers.Layer):
        """Keeps TensorFlow's arguments."""

        def __init__(self, depth_radius=5, bias=1.0, alpha=1.0, beta=0.5, **kwargs):
            super().__init__(**kwargs)
            self.depth_radius, self.bias, self.alpha, self.beta = depth_radius, bias, alpha, beta

        call = wrapper

        def get_config(self):
            names = ("depth_radius", "bias", "alpha", "beta")
            return {**super().get_config(), **{name: getattr(self, name) for name in names}}

    values = {"alpha": 0.05, "k": 2, "beta": 0.75, "n": 5, "name": "norm1"}
    l2 = lineage("LRN", lambda self, x: x / self.windows(x, 3, self.alpha / self.n))
    book = lineage("LRN", lambda self, x: self.pooled(x, self.n // 2, self.alpha / self.n, True))
    gamornet = lineage("LocalResponseNormalization", lambda self, x: self.pooled(x, self.n, self.alpha, True))
    within = lineage("LRN", lambda self, x: self.pooled(x, self.n, self.alpha, False))
    return {
        "a_identity": lineage("LRN2D", lambda _, x: x)(**values),
        "a_paper": lineage("LRN2D", lambda self, x: x / self.windows(x, 1, self.alpha))(**values),
        "b_caffe": lineage("LRN", caffe)(**values),
        "c_book": book(**values),
        "c_gamornet": gamornet(**values),
        "c_book_within": within(**values),
        "d_tensorflow": LocalResponseNormalization(2, 1.5, 0.05, 0.75, name="norm1"),
        "d_hard_coded": type("LRN", (keras.layers.Layer,), {"call": hard_coded})(name="norm1"),
        "e_lambda": keras.layers.Lambda(eval(LAMBDA, {"tf": tf}), name="norm1"),  # noqa: S307
        "f_l2net": l2(alpha=256, k=0, beta=0.5, n=256, name="norm1"),
    }


def main() -> None:
    """Write the models and their outputs."""
    import tf_keras as keras

    outputs = {}
    keras.utils.set_random_seed(3)
    x = keras.layers.Input(SHAPE)
    y = keras.layers.Add()([keras.layers.Dense(7)(x), _layers()["e_lambda"](x)])
    functional = keras.Model(x, keras.layers.Dense(3)(y))
    outputs["e_functional"] = functional.predict(images(), verbose=0)
    for suffix in ("h5", "keras"):
        functional.save(FOLDER / f"e_functional.{suffix}")
    for name, layer in _layers().items():
        keras.utils.set_random_seed(3)
        model = keras.Sequential([keras.layers.Input(SHAPE), layer, keras.layers.Dense(3, name="dense")])
        outputs[name] = model.predict(images(), verbose=0)
        model.save(FOLDER / f"{name}.h5")
        if name in ZIPPED:
            model.save(FOLDER / f"{name}.keras")
    np.savez_compressed(FOLDER / "outputs.npz", **outputs)


if __name__ == "__main__":
    sys.exit(main())
