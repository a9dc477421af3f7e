"""The examples run on every backend, and what one backend trained another predicts with."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

EXAMPLE = Path(__file__).parents[1] / "examples" / "keras_cnn.py"
BACKENDS = ("tensorflow", "jax", "torch")

PREDICT = """
    import pathlib, runpy, sys
    import keras, numpy as np
    example, folder = runpy.run_path(sys.argv[1]), pathlib.Path(sys.argv[2])
    images, _ = example["load_images"](8)
    for saved in sorted(folder.glob("*.keras")):
        predictions = keras.saving.load_model(saved).predict(images, verbose=0)
        np.save(folder / f"{saved.stem}-on-{keras.backend.backend()}.npy", predictions)
"""


def _python(backend: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, "KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _train(backend: str, saved: Path) -> None:
    """Let the example train a network for four steps, and save it."""
    said = _python(backend, str(EXAMPLE), "--images", "128", "--save", str(saved))
    assert f"on {backend}: " in said
    assert "local_response_normalization" in said.replace("\\n", "")
    assert "predictions differ by at most 0" in said


def test_the_example_trains_and_saves(tmp_path: Path):
    _train(os.environ.get("KERAS_BACKEND", "tensorflow"), tmp_path / "network.keras")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Networks trained for four steps by the example, one on each backend, and the predictions of all on all."""
    where = tmp_path_factory.mktemp("networks")
    code = "\n".join(line[4:] for line in PREDICT.splitlines())

    def train(backend: str) -> None:
        _train(backend, where / f"{backend}.keras")

    def predict(backend: str) -> None:
        _python(backend, "-c", code, str(EXAMPLE), str(where))

    for step in (train, predict):
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(step, BACKENDS))
    return where


@pytest.mark.slow
@pytest.mark.parametrize("trained_on", BACKENDS)
@pytest.mark.parametrize("loaded_on", BACKENDS)
def test_weights_move_between_backends(folder: Path, trained_on: str, loaded_on: str):
    home, away = (np.load(folder / f"{trained_on}-on-{where}.npy") for where in (trained_on, loaded_on))
    assert home.shape == (8, 10)
    # Probabilities: the convolutions round in another order on each backend.
    np.testing.assert_allclose(away, home, rtol=0, atol=1e-6)
