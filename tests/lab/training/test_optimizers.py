"""Optimizers against torch's, Muon on convolutions, and studies with several optimizers."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from localnorm.errors import LabError
from localnorm.lab.norms import find_norm
from localnorm.lab.records.record import Trial
from localnorm.lab.run.settings import StudySettings, make_study
from localnorm.lab.study.registry import MODERN_NORMS
from localnorm.lab.tasks import find_task
from localnorm.lab.training.optimizers import MuonAndAdam, load_state_tensors, make_optimizer, state_tensors
from localnorm.lab.training.trial import learn, run_trial, set_up
from localnorm.torch.weight_standardization import clipped_parameters

pytestmark = pytest.mark.usefixtures("one_thread")


def _model() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 2))


def _steps(model: nn.Module, optimizer: torch.optim.Optimizer, count: int, seed: int = 0) -> None:
    rng = torch.Generator().manual_seed(seed)
    for _ in range(count):
        optimizer.zero_grad()
        model(torch.randn(8, 1, 4, 4, generator=rng)).square().mean().backward()
        optimizer.step()


def test_muon_is_torchs_on_matrices_and_adam_on_the_rest() -> None:
    model, other = _model(), _model()
    _steps(model, make_optimizer("muon", model, 1e-2), 3)
    hidden = [other[0].weight, other[3].weight]
    matrices = [nn.Parameter(p.detach().flatten(1).clone()) for p in hidden]
    muon = torch.optim.Muon(matrices, 1e-2, weight_decay=0.0, adjust_lr_fn="match_rms_adamw")
    adam = torch.optim.Adam([p for p in other.parameters() if all(p is not h for h in hidden)], 1e-2, fused=True)
    rng = torch.Generator().manual_seed(0)
    for _ in range(3):
        other.zero_grad()
        other(torch.randn(8, 1, 4, 4, generator=rng)).square().mean().backward()
        for matrix, parameter in zip(matrices, hidden, strict=True):
            matrix.grad = parameter.grad.flatten(1)
        adam.step()
        muon.step()
        with torch.no_grad():
            for matrix, parameter in zip(matrices, hidden, strict=True):
                parameter.copy_(matrix.view_as(parameter))
    for ours, theirs in zip(model.parameters(), other.parameters(), strict=True):
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize("name", ["adam", "sgd", "muon"])
def test_state_goes_on_bit_for_bit(name: str) -> None:
    model = _model()
    optimizer = make_optimizer(name, model, 1e-2)
    _steps(model, optimizer, 3)
    again = copy.deepcopy(model)
    second = make_optimizer(name, again, 1e-2)
    load_state_tensors(second, {key: value.clone() for key, value in state_tensors(optimizer).items()})
    _steps(model, optimizer, 2, seed=1)
    _steps(again, second, 2, seed=1)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), again.parameters(), strict=True))


def test_muon_needs_hidden_weights() -> None:
    with pytest.raises(LabError, match="muon must have hidden weights of two axes to train"):
        MuonAndAdam(nn.Linear(3, 2), 1e-3)


@pytest.mark.parametrize("task", ["digits with sgd", "digits with muon", "digit-rows with muon"])
def test_a_trial_learns_with_every_optimizer(task: str) -> None:
    schedule = find_task(task).schedule
    record = run_trial(Trial(task, find_task(task).model, "batch", 0, schedule.default_learning_rate, 32, 2))
    assert record.status == "ok", record.message
    assert record.results["train_loss"][1] < 0.8 * record.results["train_loss"][0]


def test_a_study_has_a_section_for_each_optimizer_and_adams_stays_the_same() -> None:
    plain = make_study(StudySettings(task="digits", norms="none,batch"))
    study = make_study(StudySettings(task="digits", norms="none,batch", optimizer="adam,sgd"))
    assert [task.name for task in study.tasks] == ["digits", "digits with sgd"]
    adam, sgd = study.tasks
    assert adam == plain.tasks[0]
    assert sgd.schedule.learning_rates == tuple(10 * rate for rate in adam.schedule.learning_rates)
    keys = [{trial.key for trial in study.pilot_trials(task)} for task in study.tasks]
    assert keys[0] == {trial.key for trial in plain.pilot_trials(plain.tasks[0])}
    assert not keys[0] & keys[1]
    # The batch-size row: the rate grows with the size for SGD, with its square root for Adam.
    assert sgd.schedule.rate_at(128) / sgd.schedule.rate_at(32) == pytest.approx(4)
    assert adam.schedule.rate_at(128) / adam.schedule.rate_at(32) == pytest.approx(2)


@pytest.mark.parametrize("value", ["adamw", "adam,lion", ""])
def test_unknown_optimizers(value: str) -> None:
    with pytest.raises(LabError, match="optimizer must be one or more of adam, sgd, muon, got"):
        StudySettings(optimizer=value)


def test_modern_stands_for_the_modern_norms() -> None:
    assert StudySettings(norms="none,batch,modern").norms == ("none", "batch", *MODERN_NORMS)
    assert [find_norm(name).name for name in MODERN_NORMS] == list(MODERN_NORMS)


def test_normalizer_free_training_clips_every_step() -> None:
    """Hidden weights move at most by what clipped gradients allow; `none` has no such weights."""
    task = find_task("digits with sgd")
    trial = Trial("digits with sgd", "textbook_cnn", "nf", 0, 1.0, 128, 1, (("clip", 1e-3),))
    fabric, model, optimizer, _ = set_up(task, trial)
    before = {id(p): p.detach().clone() for p in clipped_parameters(model)}
    (loss,) = learn(fabric, model, optimizer, task, task.load(0).train, trial)
    assert loss > 0
    moved = [
        ((p.detach() - before[id(p)]).norm() / before[id(p)].norm()).item() for p in clipped_parameters(model)
    ]
    # 8 steps of at most rate 1.0 with Nesterov momentum 0.9, each gradient at most 1e-3 of the weights.
    bound = sum(sum(0.9**j for j in range(i + 2)) for i in range(8)) * 1e-3 * 1.1
    assert 0 < max(moved) < bound
    plain = set_up(task, Trial("digits with sgd", "textbook_cnn", "none", 0, 1.0, 128, 1))[1]
    assert not any("parametrizations" in name for name, _ in plain.named_parameters())
