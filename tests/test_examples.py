"""The example programs run, and networks trained on one Keras backend predict the same on the others."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch

from localnorm.lab.norms import find_norm

EXAMPLES = Path(__file__).parents[1] / "examples"
KERAS_EXAMPLE = EXAMPLES / "keras_cnn.py"
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


def _python(backend: str, *arguments: str, folder: Path | None = None) -> str:
    done = subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, "KERAS_BACKEND": backend},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _train(backend: str, saved: Path) -> None:
    """Run the example for four steps, and save the network."""
    output = _python(backend, str(KERAS_EXAMPLE), "--images", "128", "--save", str(saved))
    assert f"on {backend}: " in output
    assert "local_response_normalization" in output.replace("\\n", "")
    assert "predictions differ by at most 0" in output


def test_every_example_is_run_here():
    names = {path.name for path in EXAMPLES.glob("*.py")}
    assert names == {"custom_norm.py", "gdn.py", "keras_cnn.py", "swap_lrn.py", "tune_norm.py"}


def test_swap_lrn():
    output = _python("torch", str(EXAMPLES / "swap_lrn.py"))
    assert "2 layers are now localnorm.torch.LocalResponseNorm" in output
    assert "restored exactly: True" in output


def test_gdn():
    output = _python("torch", str(EXAMPLES / "gdn.py"))
    relu, gdn = (int(percent) for percent in re.findall(r"(\d+) % of the variance", output))
    # Both predict better than the mean, which has 100 %; which of them is better is not tested.
    assert max(relu, gdn) < 60


def test_the_custom_norm_can_be_imported_by_name(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(EXAMPLES)
    norm = find_norm("custom_norm:ChannelScale").builder(2)(8)
    assert norm(torch.ones(2, 8, 3, 3)).shape == (2, 8, 3, 3)


@pytest.mark.slow
def test_custom_norm(tmp_path: Path):
    output = _python("torch", str(EXAMPLES / "custom_norm.py"), folder=tmp_path)
    assert "custom_norm:ChannelScale" in output
    assert (tmp_path / "custom-norm" / "report.html").exists()


@pytest.mark.slow
def test_tune_norm(tmp_path: Path):
    output = _python("torch", str(EXAMPLES / "tune_norm.py"), folder=tmp_path)
    assert "localnorm.torch.LocalResponseNorm(" in output
    assert (tmp_path / "tune-norm" / "tuned.json").exists()


def test_the_keras_example_trains_and_saves(tmp_path: Path):
    _train(os.environ.get("KERAS_BACKEND", "tensorflow"), tmp_path / "network.keras")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Networks trained for four steps by the example, one on each backend, and the predictions of all on all."""
    where = tmp_path_factory.mktemp("networks")
    code = "\n".join(line[4:] for line in PREDICT.splitlines())

    def train(backend: str) -> None:
        _train(backend, where / f"{backend}.keras")

    def predict(backend: str) -> None:
        _python(backend, "-c", code, str(KERAS_EXAMPLE), str(where))

    for step in (train, predict):
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(step, BACKENDS))
    return where


@pytest.mark.slow
@pytest.mark.parametrize("trained_on", BACKENDS)
@pytest.mark.parametrize("loaded_on", BACKENDS)
def test_weights_move_between_backends(folder: Path, trained_on: str, loaded_on: str):
    same, other = (np.load(folder / f"{trained_on}-on-{where}.npy") for where in (trained_on, loaded_on))
    assert same.shape == (8, 10)
    # Probabilities: the convolutions round in another order on each backend.
    np.testing.assert_allclose(other, same, rtol=0, atol=1e-6)
