"""Pre-flight check of user-defined norms, models and data."""

from __future__ import annotations

import pytest
import torch

from localnorm.errors import LabError, LocalnormError, ModelError
from localnorm.lab.records.record import Trial
from localnorm.lab.run.preflight import incompatible_pairs
from localnorm.lab.study.study import Study
from localnorm.lab.tasks import task_studies
from localnorm.lab.training.trial import run_trial

pytestmark = pytest.mark.usefixtures("one_thread")


def _study(*norms: str, tasks: tuple[str, ...] = ("digits",), model: str | None = None) -> Study:
    return Study(task_studies(tasks, model), ("none", *norms), (0, 1))


FITS = {
    "user_models:with_dropout": 12 * 9 + 12 + (12 * 64 + 1) * 10,
    "user_models:twelve_channels": 12 * 9 + 12 + (12 * 64 + 1) * 10,
    "user_models:one_norm_twice": 6 * 9 + 6 + 6 * 6 * 9 + 6 + (6 * 16 + 1) * 10,
    "user_models:timm_style": 9 * 8 + 9 * 64 + 8 + 9 * 10,
}


@pytest.mark.parametrize("model", FITS)
def test_models_that_people_write_fit_and_learn(model: str):
    norms = ("local", "batch", "layer", "instance", "group", "rms", "user_norms:plain")
    assert incompatible_pairs(_study(*norms, model=model)) == ()
    trials = [Trial("digits", model, norm, 0, 1e-3, 64, 1) for norm in ("none", "user_norms:placebo", "group")]
    none, placebo, group = map(run_trial, trials)
    assert {record.status for record in (none, placebo, group)} == {"ok"}
    # Dropout and layers that find their sizes by themselves are drawn by the seed, whatever the norm.
    assert placebo.results == none.results
    assert none.results["parameters"] == FITS[model]
    assert group.results["train_loss"] != none.results["train_loss"]


def test_a_norm_that_fits_one_task_is_named_with_the_other():
    found = incompatible_pairs(_study("batch", "torch.nn:BatchNorm2d", tasks=("digits", "digit-rows")))
    assert [(pair.task, pair.norm) for pair in found] == [("digit-rows", "torch.nn:BatchNorm2d")]
    assert "expected 4D input" in str(found[0].problem)


def test_a_norm_of_the_labs_that_a_model_can_not_use_is_named():
    (found,) = incompatible_pairs(_study("instance", "batch", model="user_models:norm_on_one_position"))
    assert (found.task, found.norm) == ("digits", "instance")
    assert "more than 1 spatial element" in str(found.problem)


def test_built_in_pairs_are_not_checked(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("localnorm.lab.run.preflight.find_task", None)
    # Refused in a cell, as everyone knows.
    assert incompatible_pairs(_study("instance", tasks=("digits", "digit-rows"))) == ()


@pytest.mark.parametrize("norm", ["out_of_memory", "out_of_memory_in_torch", "makes_nan"])
def test_what_a_record_will_say_is_no_incompatible_pair(norm: str):
    assert incompatible_pairs(_study(f"user_norms:{norm}")) == ()


REFUSED = [
    ((), "user_models:fixed_classes", ModelError, r"scores of shape \(2, 10\) for 2 images, got \(2, 1000\)"),
    ((), "user_models:ignores_the_norm", ModelError, "which applied none"),
    (("user_norms:shape_changer",), None, ModelError, r"keep the shape of its input, got \(2, 31, 6, 6\) for"),
    (("user_norms:shape_changer",), "user_models:timm_style", ModelError, "the norm is at fault, not the model"),
    (
        ("user_norms:refuses",),
        None,
        LabError,
        "got TypeError on digits with the norm user_norms:refuses: no input",
    ),
]


@pytest.mark.parametrize(("norms", "model", "kind", "said"), REFUSED)
def test_what_is_not_worth_a_start(norms: tuple[str, ...], model: str | None, kind: type, said: str):
    before = torch.get_rng_state()
    with pytest.raises(LocalnormError, match=said) as caught:
        incompatible_pairs(_study(*norms, model=model))
    assert type(caught.value) is kind
    assert torch.equal(torch.get_rng_state(), before)
