"""Training: the same digits every time, pairs by seed, test data last, and what becomes of a bad trial."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from localnorm.lab.engines.choice import EngineSetup
from localnorm.lab.records.record import Trial
from localnorm.lab.records.store import Store
from localnorm.lab.run.runner import run_jobs
from localnorm.lab.tasks import Split, Subset, classification, error, find_task
from localnorm.lab.tasks.corruptions import CORRUPTIONS
from localnorm.lab.training import trial
from localnorm.lab.training.trial import batches, run_trial

pytestmark = pytest.mark.usefixtures("one_thread")

DIGITS = Trial("digits", "textbook_cnn", "none", 0, 3e-3, 128, 1, judged=True)
ROWS = Trial("digit-rows", "recurrent", "none", 0, 3e-3, 128, 1, judged=True)
TOKENS = Trial("digit-tokens", "transformer", "none", 0, 3e-3, 128, 1, judged=True)
ADDING = Trial("adding", "recurrent", "none", 0, 3e-3, 128, 1, judged=True)


def test_a_trial_gives_the_same_digits_in_every_process(tmp_path: Path):
    trials = [replace(DIGITS, norm="local", settings=(("n", 7),)), replace(ROWS, norm="batch")]
    trials += [replace(TOKENS, norm="layer"), replace(ADDING, norm="rms")]
    here = [run_trial(trial).results for trial in trials]
    assert [run_trial(trial).results for trial in trials] == here
    there = {record.job: record.results for record in run_jobs(trials, Store(tmp_path), EngineSetup(workers=2))}
    assert [there[trial] for trial in trials] == here


@pytest.mark.parametrize("trial", [DIGITS, ROWS, TOKENS, ADDING], ids=lambda trial: trial.task)
def test_seeds_pair_so_that_the_placebo_is_none(trial: Trial):
    none, placebo = (run_trial(replace(trial, norm=norm)) for norm in ("none", "user_norms:placebo"))
    assert none.status == "ok"
    assert placebo.results == none.results
    assert run_trial(replace(trial, seed=1)).results != none.results
    assert run_trial(replace(trial, norm="rms")).results != none.results


def test_the_test_is_repeated_under_corruptions_where_it_is_asked_for():
    clean, corrupted = run_trial(DIGITS).results, dict(run_trial(replace(DIGITS, corrupted=True)).results)
    errors = corrupted.pop("corrupted_error")
    assert corrupted.pop("corrupted_examples") == 250
    assert corrupted == clean
    assert clean["parameters"] == 53_002
    assert {name: len(severities) for name, severities in errors.items()} == dict.fromkeys(CORRUPTIONS, 5)
    # A network that is far from guessing does worse where little of the image is left.
    assert all(severities[-1] > clean["test_error"] for severities in errors.values())
    placebo = run_trial(replace(DIGITS, norm="user_norms:placebo", corrupted=True)).results
    assert placebo["corrupted_error"] == errors


def test_an_epoch_sees_every_example_once_in_an_order_of_its_own():
    part = Subset(torch.arange(10.0), torch.arange(10))
    order = torch.Generator().manual_seed(0)
    epochs = [list(batches(part, 4, order)) for _ in range(2)]
    assert [len(part) for part in epochs[0]] == [4, 4, 2]
    seen = [torch.cat([part.labels for part in epoch]).tolist() for epoch in epochs]
    assert seen[0] != seen[1]
    assert sorted(seen[0]) == sorted(seen[1]) == list(range(10))
    assert all(torch.equal(part.inputs, part.labels.float()) for part in epochs[0])


class _Watched:
    """A part that says when it is looked at."""

    def __init__(self, part: Subset, seen: Callable[[], None]) -> None:
        self.part, self.seen = part, seen

    def __getattr__(self, name: str) -> Tensor:
        self.seen()
        return getattr(self.part, name)


def test_test_data_is_looked_at_only_after_training(monkeypatch: pytest.MonkeyPatch):
    events = []

    def load(seed: int) -> Split:
        split = find_task("digits").load(seed)
        return Split(split.train, split.validation, _Watched(split.test, lambda: events.append("test")))

    def epoch(*arguments, learn=trial.train_epoch):
        events.append(f"epoch in the order of seed {arguments[6].initial_seed()}")
        return learn(*arguments)

    monkeypatch.setattr(trial, "find_task", lambda *names: replace(find_task(*names), load=load))
    monkeypatch.setattr(trial, "train_epoch", epoch)
    record = run_trial(replace(DIGITS, seed=7, epochs=3))
    assert events[:3] == ["epoch in the order of seed 7"] * 3
    assert set(events[3:]) == {"test"}
    assert len(record.results["validation_error"]) == len(record.timing["epoch_seconds"]) == 3


def test_every_error_is_taken_in_evaluation_mode():
    record = run_trial(replace(DIGITS, norm="user_norms:forgets", batch_size=32, epochs=2))
    # The norm learns as well as none does, and in evaluation every image gives the same scores; one digit in
    # ten is guessed, and no digit has less than 9 % or more than 11 % of the examples.
    assert record.results["train_loss"][1] < 1
    taken = [record.results[name] for name in ("train_error", "test_error")] + record.results["validation_error"]
    assert all(89 < error < 91 for error in taken)


def test_error_is_the_share_of_wrong_answers():
    scores = torch.eye(4)[torch.tensor([0, 1, 2, 3, 3])]
    part = Subset(scores, torch.tensor([0, 1, 2, 0, 1]))
    assert error(classification(4), nn.Identity(), part) == 40.0


@pytest.mark.parametrize("norm", ["makes_nan", "nan_later"])
def test_a_trial_that_diverges_keeps_its_curve_and_has_no_result(norm: str):
    record = run_trial(replace(DIGITS, norm=f"user_norms:{norm}", epochs=4))
    # 8 steps an epoch: the 20th step is in the third.
    epochs = {"makes_nan": 0, "nan_later": 2}[norm]
    assert record.status == "diverged"
    assert record.message == f"the training loss was not finite in epoch {epochs + 1}"
    assert record.results.keys() == {"parameters", "train_loss", "validation_error"}
    none = run_trial(replace(DIGITS, epochs=4)).results
    for curve in ("train_loss", "validation_error"):
        assert record.results[curve] == none[curve][:epochs]


ENDED = {
    "user_norms:out_of_memory": ("out of memory", "no room for 32 channels"),
    "user_norms:out_of_memory_in_torch": ("out of memory", "RuntimeError: .*can't allocate memory"),
    "user_norms:refuses": ("failed", "TypeError: no input of rank 4 here"),
    "user_norms:shape_changer": ("failed", "RuntimeError: .*channels"),
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


def test_where_a_test_is_long_some_examples_are_corrupted_drawn_by_the_seed(monkeypatch: pytest.MonkeyPatch):
    seen = []

    def watched(images: Tensor, *rest, corrupt=trial.corrupt):
        seen.append(images)
        return corrupt(images, *rest)

    monkeypatch.setattr(trial, "find_task", lambda *names: replace(find_task(*names), most_corrupted=40))
    monkeypatch.setattr(trial, "corrupt", watched)
    trial.kept_copies.clear()
    found = [run_trial(replace(DIGITS, corrupted=True)).results for _ in range(2)]
    assert {len(images) for images in seen} == {40}
    # The second trial of the seed uses the copies of the first.
    assert len(seen) == len(CORRUPTIONS) * 5
    assert found[0] == found[1]
    # 40 examples: in steps of 2.5 %; the clean error is over all that is held out.
    assert found[0]["test_examples"] == 797
    assert all(e % 2.5 == 0 for errors in found[0]["corrupted_error"].values() for e in errors)
    assert found[0]["test_error"] == run_trial(DIGITS).results["test_error"]


def test_a_trial_of_the_pilot_sees_no_test_data(monkeypatch: pytest.MonkeyPatch):
    events: list[str] = []

    def load(seed: int) -> Split:
        split = find_task("digits").load(seed)
        return Split(split.train, split.validation, _Watched(split.test, lambda: events.append("test")))

    monkeypatch.setattr(trial, "find_task", lambda *names: replace(find_task(*names), load=load))
    found = run_trial(replace(DIGITS, judged=False))
    assert (events, found.status) == ([], "ok")
    assert found.results.keys() == {"parameters", "train_loss", "validation_error"}


def test_a_judged_trial_is_tested_on_all_that_is_held_out():
    split = find_task("digits").load(0)
    assert len(split.held_out.labels) == len(split.validation.labels) + len(split.test.labels)
    for task in (DIGITS, ROWS):
        assert run_trial(task).results["test_examples"] == 797


def test_copies_that_are_too_large_are_not_kept(monkeypatch: pytest.MonkeyPatch):
    with_copies = run_trial(replace(DIGITS, corrupted=True)).results
    trial.kept_copies.clear()
    monkeypatch.setattr(trial, "MOST_KEPT", 0)
    assert run_trial(replace(DIGITS, corrupted=True)).results == with_copies
    assert not trial.kept_copies
