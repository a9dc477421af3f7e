"""Training: the same digits every time, pairs by seed, test data last, and what becomes of a bad trial."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn

from localnorm.lab import train
from localnorm.lab.engine import run
from localnorm.lab.models.recurrent import Recurrent
from localnorm.lab.models.textbook_cnn import textbook_cnn
from localnorm.lab.norms import find_norm
from localnorm.lab.records import Trial
from localnorm.lab.store import Store
from localnorm.lab.tasks import TASKS, Part, Split, find_task
from localnorm.lab.tasks.corruptions import CORRUPTIONS, SEVERITIES, corrupt
from localnorm.lab.train import batches, run_trial

pytestmark = pytest.mark.usefixtures("one_thread")

DIGITS = Trial("digits", "textbook_cnn", "none", 0, 3e-3, 128, 1)
ROWS = Trial("digit-rows", "recurrent", "none", 0, 3e-3, 128, 1)


def test_a_trial_gives_the_same_digits_in_every_process(tmp_path: Path):
    trials = [replace(DIGITS, norm="local", settings=(("n", 7),)), replace(ROWS, norm="batch")]
    here = [run_trial(trial).results for trial in trials]
    assert [run_trial(trial).results for trial in trials] == here
    there = {record.job: record.results for record in run(trials, Store(tmp_path), workers=2)}
    assert [there[trial] for trial in trials] == here


@pytest.mark.parametrize("trial", [DIGITS, ROWS], ids=["digits", "rows"])
def test_seeds_pair_so_that_the_placebo_is_none(trial: Trial):
    none, placebo = (run_trial(replace(trial, norm=norm)) for norm in ("none", "own_norms:placebo"))
    assert none.status == "ok"
    assert placebo.results == none.results
    assert run_trial(replace(trial, seed=1)).results != none.results
    assert run_trial(replace(trial, norm="rms")).results != none.results


@pytest.mark.parametrize("name", TASKS)
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


def _examples(part: Part) -> list[tuple[bytes, int]]:
    images = (16 * part.inputs.reshape(-1, 8, 8)).double().numpy()
    return [(image.tobytes(), label) for image, label in zip(images, part.labels.tolist(), strict=True)]


def test_an_epoch_sees_every_example_once_in_an_order_of_its_own():
    part = Part(torch.arange(10.0), torch.arange(10))
    order = torch.Generator().manual_seed(0)
    epochs = [list(batches(part, 4, order)) for _ in range(2)]
    assert [len(labels) for _, labels in epochs[0]] == [4, 4, 2]
    seen = [torch.cat([labels for _, labels in epoch]).tolist() for epoch in epochs]
    assert seen[0] != seen[1]
    assert sorted(seen[0]) == sorted(seen[1]) == list(range(10))
    assert all(torch.equal(inputs, labels.float()) for inputs, labels in epochs[0])


class _Watched:
    """A part that says when it is looked at."""

    def __init__(self, part: Part, seen: Callable[[], None]) -> None:
        self.part, self.seen = part, seen

    def __getattr__(self, name: str) -> Tensor:
        self.seen()
        return getattr(self.part, name)


def test_test_data_is_looked_at_only_after_training(monkeypatch: pytest.MonkeyPatch):
    events = []

    def load(seed: int) -> Split:
        split = find_task("digits").load(seed)
        return Split(split.train, split.validation, _Watched(split.test, lambda: events.append("test")))

    def epoch(*arguments, learn=train.train_epoch):
        events.append(f"epoch in the order of seed {arguments[-1].initial_seed()}")
        return learn(*arguments)

    monkeypatch.setattr(train, "find_task", lambda name: replace(find_task(name), load=load))
    monkeypatch.setattr(train, "train_epoch", epoch)
    record = run_trial(replace(DIGITS, seed=7, epochs=3))
    assert events[:3] == ["epoch in the order of seed 7"] * 3
    assert set(events[3:]) == {"test"}
    assert len(record.results["validation_error"]) == len(record.timing["epoch_seconds"]) == 3


def test_every_error_is_taken_in_evaluation_mode():
    record = run_trial(replace(DIGITS, norm="own_norms:forgets", batch_size=32, epochs=2))
    # The norm learns as well as none does, and in evaluation every image gives the same scores; one digit in
    # ten is guessed, and no digit has less than 9 % or more than 11 % of the examples.
    assert record.results["train_loss"][1] < 1
    taken = [record.results[name] for name in ("train_error", "test_error")] + record.results["validation_error"]
    assert all(89 < error < 91 for error in taken)


def test_error_is_the_share_of_wrong_answers():
    scores = torch.eye(4)[torch.tensor([0, 1, 2, 3, 3])]
    part = Part(scores, torch.tensor([0, 1, 2, 0, 1]))
    assert train.error(nn.Identity(), part, 4) == 40.0


@pytest.mark.parametrize("norm", ["makes_nan", "nan_later"])
def test_a_trial_that_diverges_keeps_its_curve_and_has_no_result(norm: str):
    record = run_trial(replace(DIGITS, norm=f"own_norms:{norm}", epochs=4))
    # 8 steps an epoch: the 20th step is in the third.
    epochs = {"makes_nan": 0, "nan_later": 2}[norm]
    assert record.status == "diverged"
    assert record.message == f"the training loss was not finite in epoch {epochs + 1}"
    assert record.results.keys() == {"parameters", "train_loss", "validation_error"}
    none = run_trial(replace(DIGITS, epochs=4)).results
    for curve in ("train_loss", "validation_error"):
        assert record.results[curve] == none[curve][:epochs]


ENDED = {
    "own_norms:out_of_memory": ("out of memory", "no room for 32 channels"),
    "own_norms:out_of_memory_in_torch": ("out of memory", "RuntimeError: .*can't allocate memory"),
    "own_norms:refuses": ("failed", "TypeError: no input of rank 4 here"),
    "own_norms:shape_changer": ("failed", "RuntimeError: .*channels"),
    "lokal": ("failed", "UnknownNameError: a norm must be one of"),
}


@pytest.mark.parametrize("norm", ENDED)
def test_a_trial_that_fails_is_a_record_that_says_why(norm: str, tmp_path: Path):
    record = run_trial(replace(DIGITS, norm=norm))
    status, text = ENDED[norm]
    assert record.status == status
    assert re.match(text, record.message)
    assert not record.results.get("train_loss")
    assert "test_error" not in record.results
    Store(tmp_path).write(record)
    assert Store(tmp_path).read()[0].popitem()[1] == record


def test_instance_normalization_is_no_help_in_a_cell():
    record = run_trial(replace(ROWS, norm="instance"))
    assert record.status == "failed"
    assert record.message.startswith("LabError: instance normalization needs positions")


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
    random = name in ("noise", "salt and pepper")
    assert torch.equal(corrupt(images, name, 5, seed=4), corrupted[-1]) != random
    assert torch.equal(images, find_task("digits").load(0).test.inputs), "the clean images were written to"


@pytest.mark.parametrize(("norm", "more"), [("none", 0), ("local", 0), ("batch", 2), ("rms", 1)])
def test_parameters_of_the_models(norm: str, more: int):
    # Convolutions of 3x3, then 64 channels of 2x2 after pooling; a norm has `more` parameters a channel.
    cnn = (1 * 9 + 1) * 32 + (32 * 9 + 1) * 64 + (64 * 4 + 1) * 128 + (128 + 1) * 10
    cell = (8 + 1) * 64 + 64 * 64 + (64 + 1) * 10
    assert (cnn, cell) == (53_002, 5_322)
    found = find_norm(norm)
    assert _count(textbook_cnn(found.builder(2))) == cnn + more * (32 + 64)
    assert _count(Recurrent(found.builder(0))) == cell + more * 64
    assert run_trial(replace(ROWS, norm=norm)).results["parameters"] == cell + more * 64


def _count(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def test_the_textbooks_network_is_built_as_it_is_listed():
    layers = [type(layer).__name__ for layer in textbook_cnn(find_norm("own_norms:plain").builder(2))]
    block = ["Conv2d", "ReLU", "BatchNorm2d"]
    assert layers == [*block, *block, "MaxPool2d", "Flatten", "Linear", "ReLU", "Linear"]


def test_the_norm_stands_inside_the_cell():
    model = Recurrent(find_norm("own_norms:scaled").builder(0), inputs=3, hidden=4, classes=2).double()
    x = torch.randn(5, 6, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    state = torch.zeros(5, 4, dtype=torch.float64)
    for step in range(6):
        state = torch.tanh((model.from_input(x[:, step]) + model.from_state(state)) / 2)
    # The same products, in another order where a matrix product runs over all steps at once.
    torch.testing.assert_close(model(x), model.classify(state), rtol=1e-12, atol=1e-12)
