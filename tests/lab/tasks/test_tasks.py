"""The tasks: splits by seed, corruptions, and the models by hand."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn

from localnorm.lab.models.article_cnn import article_cnn
from localnorm.lab.models.recurrent import Recurrent
from localnorm.lab.norms import find_norm
from localnorm.lab.tasks import Subset, find_task
from localnorm.lab.tasks.corruptions import CORRUPTIONS, SEVERITIES, corrupt

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize("name", ["digits", "digit-rows", "digit-tokens"])
def test_a_seed_splits_all_the_data_anew_with_equal_shares_of_each_class(name: str):
    split = find_task(name).load(0)
    parts = (split.train, split.validation, split.test)
    assert [len(part.inputs) for part in parts] == [len(part.labels) for part in parts] == [1000, 297, 500]
    data = load_digits()
    everything = Counter((image.tobytes(), label) for image, label in zip(data.images, data.target, strict=True))
    seen = [Counter(_examples(part)) for part in parts]
    # Taken with repeats, so that no example can stand in two parts.
    assert sum(seen, Counter()) == everything
    shares = np.bincount(data.target) / len(data.target)
    for part in parts:
        # Whole examples: splitting off test and then validation rounds each class twice.
        np.testing.assert_allclose(np.bincount(part.labels), shares * len(part.labels), atol=2)
    again, other = find_task(name).load(0), find_task(name).load(1)
    assert torch.equal(again.test.inputs, split.test.inputs)
    assert not torch.equal(other.test.labels, split.test.labels)


def _examples(part: Subset) -> list[tuple[bytes, int]]:
    images = (16 * part.inputs.reshape(-1, 8, 8)).double().numpy()
    return [(image.tobytes(), label) for image, label in zip(images, part.labels.tolist(), strict=True)]


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_corruptions_grow_and_are_the_same_for_every_norm_of_a_seed(name: str):
    images = find_task("digits").load(0).test.inputs
    corrupted = [corrupt(images, name, severity, seed=3) for severity in SEVERITIES]
    assert all(image.shape == images.shape for image in corrupted)
    assert all(
        torch.equal(corrupt(images, name, s, seed=3), c) for s, c in zip(SEVERITIES, corrupted, strict=True)
    )
    distances = [(image - images).abs().mean().item() for image in corrupted]
    assert [0.0, *distances] == sorted({0.0, *distances})
    assert min(image.min() for image in corrupted) >= 0
    assert max(image.max() for image in corrupted) <= 1
    random = name in ("noise", "salt and pepper", "shot noise", "motion blur", "occlusion")
    assert torch.equal(corrupt(images, name, 5, seed=4), corrupted[-1]) != random
    assert torch.equal(images, find_task("digits").load(0).test.inputs), "the clean images were written to"


@pytest.mark.parametrize(("norm", "more"), [("none", 0), ("local", 0), ("batch", 2), ("rms", 1)])
def test_parameters_of_the_models(norm: str, more: int):
    # Convolutions of 3x3, then 64 channels of 2x2 after pooling; a norm has `more` parameters a channel.
    cnn = (1 * 9 + 1) * 32 + (32 * 9 + 1) * 64 + (64 * 4 + 1) * 128 + (128 + 1) * 10
    cell = (8 + 1) * 64 + 64 * 64 + (64 + 1) * 10
    assert (cnn, cell) == (53_002, 5_322)
    found = find_norm(norm)
    assert _count(article_cnn(found.builder(2))) == cnn + more * (32 + 64)
    assert _count(Recurrent(found.builder(0))) == cell + more * 64


def _count(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def test_the_textbooks_network_is_built_as_it_is_listed():
    layers = [type(layer).__name__ for layer in article_cnn(find_norm("user_norms:plain").builder(2))]
    block = ["Conv2d", "ReLU", "BatchNorm2d"]
    assert layers == [*block, *block, "MaxPool2d", "Flatten", "Linear", "ReLU", "Linear"]


def test_the_norm_stands_inside_the_cell():
    model = Recurrent(find_norm("user_norms:scaled").builder(0), inputs=3, hidden=4, outputs=2).double()
    x = torch.randn(5, 6, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    state = torch.zeros(5, 4, dtype=torch.float64)
    for step in range(6):
        state = torch.tanh((model.from_input(x[:, step]) + model.from_state(state)) / 2)
    # The same products, in another order where a matrix product runs over all steps at once.
    torch.testing.assert_close(model(x), model.answer(state), rtol=1e-12, atol=1e-12)
