"""Write models by the Keras releases of 2017 and 2018: ``python tests/support/make_older_keras.py``.

Run it once with each of Keras 1.2.2, 2.0.6 and 2.2.4, on Theano 1.0.5 and Python 3.7, from the root of the
repository. Lineage a is the layer that defines `get_output` alone, which these releases never call.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np

from make_old_keras import FOLDER, SHAPE, images

VALUES = (0.05, 2, 0.75, 5)


def _models(keras) -> dict:
    from keras import backend as K  # noqa: N812  as everywhere
    from keras.engine.topology import Layer
    from keras.layers import Dense, Lambda
    from keras.models import Sequential
    from theano import tensor as T  # noqa: N812

    class Kept(Layer):
        def __init__(self, alpha=1e-4, k=1, beta=0.75, n=5, **kwargs):
            self.alpha, self.k, self.beta, self.n = alpha, k, beta, n
            super().__init__(**kwargs)

        def get_config(self):
            values = {"alpha": self.alpha, "k": self.k, "beta": self.beta, "n": self.n}
            return {**super().get_config(), **values}

    class LRN2D(Kept):
        def get_output(self, _):
            raise AssertionError("never called")

    class LRN(Kept):
        order = (0, 1, 2, 3)

        def call(self, x, mask=None):  # noqa: ARG002  Keras 1's signature
            x = K.permute_dimensions(x, self.order)
            half, channels = self.n // 2, x.shape[1]
            padded = T.zeros((x.shape[0], channels + 2 * half, x.shape[2], x.shape[3]))
            padded = T.set_subtensor(padded[:, half : half + channels], K.square(x))
            scale = self.k
            for i in range(self.n):
                scale = scale + self.alpha / self.n * padded[:, i : i + channels]
            return K.permute_dimensions(x / scale**self.beta, tuple(np.argsort(self.order)))

    last = type("LRN", (LRN,), {"order": (0, 3, 1, 2)})
    l2net = [Lambda(eval("lambda x: K.relu(x)", {"K": K}), name="relu"), last(256, 0, 0.5, 256, name="norm1")]  # noqa: S307
    release = keras.__version__
    return {
        f"a_identity_{release}": Sequential(
            [LRN2D(*VALUES, input_shape=SHAPE, name="norm1"), Dense(3, name="dense")]
        ),
        f"b_caffe_{release}": Sequential([LRN(*VALUES, input_shape=SHAPE, name="norm1"), Dense(3, name="dense")]),
        f"f_l2net_{release}": Sequential([Dense(7, input_shape=SHAPE, name="dense"), *l2net]),
    }


def main() -> None:
    """Write the models, and their outputs beside those that are there."""
    os.environ["KERAS_BACKEND"] = "theano"
    os.environ["THEANO_FLAGS"] = "cxx=,floatX=float32,optimizer=fast_compile"
    import keras

    file = Path(FOLDER, "older_outputs.npz")
    outputs = dict(np.load(file)) if file.exists() else {}
    np.random.seed(1)  # noqa: NPY002  what Keras draws from
    for name, model in _models(keras).items():
        outputs[name] = model.predict(images())
        model.save(str(FOLDER / f"{name}.h5"))
    np.savez_compressed(file, **outputs)


if __name__ == "__main__":
    sys.exit(main())
