"""Train the article's Keras network, with one import line changed, on handwritten digits; save and load it.

    KERAS_BACKEND=jax python examples/keras_cnn.py

The article (docs/article.md) imports LocalResponseNormalization from tensorflow.keras.layers, where there is no
such class. The rest is as printed there: two convolutions with the normalization between them, on 64 x 64 images
of 10 classes. The images are scikit-learn's handwritten digits, enlarged. Works on the TensorFlow, JAX and torch
backends of Keras.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray
from sklearn.datasets import load_digits

from localnorm.keras import LocalResponseNormalization

SIDE, CLASSES = 64, 10


def build_network() -> keras.Model:
    """Return the network, compiled."""
    model = keras.Sequential(
        [
            layers.Input((SIDE, SIDE, 3)),
            layers.Conv2D(32, (3, 3), activation="relu"),
            LocalResponseNormalization(alpha=1e-4, beta=0.75, k=2, n=5),
            layers.Conv2D(64, (3, 3), activation="relu"),
            layers.MaxPooling2D((2, 2)),
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
            layers.Dense(CLASSES, activation="softmax"),
        ]
    )
    model.compile(optimizer="adam", loss="categorical_crossentropy", metrics=["accuracy"])
    return model


def load_images(count: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return handwritten digits as images of 64 x 64 in three channels from 0 to 1, and their classes one-hot."""
    digits = load_digits()
    images = np.kron(digits.images[:count], np.ones((SIDE // 8, SIDE // 8)))[..., None] / 16
    return np.repeat(images, 3, axis=-1).astype("float32"), np.eye(CLASSES, dtype="float32")[digits.target[:count]]


def main() -> None:
    """Train for a few steps, save, load, and compare the predictions before and after."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=640, help="training images (default 640)")
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--save", type=Path, default=Path("keras_cnn.keras"), help="where to save the network")
    options = parser.parse_args()

    keras.utils.set_random_seed(0)
    images, classes = load_images(options.images + 64)
    network = build_network()
    network.summary()
    network.fit(
        images[: options.images], classes[: options.images], batch_size=32, epochs=options.epochs, verbose=2
    )
    unseen = images[options.images :]
    before = network.predict(unseen, verbose=0)
    right = float(np.mean(before.argmax(1) == classes[options.images :].argmax(1)))

    network.save(options.save)
    after = keras.saving.load_model(options.save).predict(unseen, verbose=0)
    print(f"Keras {keras.__version__} on {keras.backend.backend()}: {100 * right:.0f} % of 64 unseen images right")
    print(f"saved to {options.save}, loaded; predictions differ by at most {np.abs(after - before).max():.1g}")


if __name__ == "__main__":
    main()
