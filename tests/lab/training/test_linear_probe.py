"""Linear probes of features, their sparsity, and the error in training mode."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from localnorm.lab.records.record import Trial
from localnorm.lab.tasks import Split, Subset, classification, error
from localnorm.lab.training import linear_probe
from localnorm.lab.training.linear_probe import read_features, sparsity
from localnorm.lab.training.trial import run_trial, train_mode_error
from user_norms import Applied

pytestmark = pytest.mark.usefixtures("one_thread")

TRIAL = Trial("digits", "textbook_cnn", "none", 0, 3e-3, 128, 1, judged=True, features=True)


def _split(count: int = 60, shape: tuple[int, ...] = (6, 5, 5)) -> Split:
    """Return classes that the first three channels tell apart, and nothing else does."""
    rng = torch.Generator().manual_seed(0)
    parts = []
    for _ in range(3):
        labels = torch.randint(3, (count,), generator=rng)
        inputs = torch.randn(count, *shape, generator=rng)
        inputs[:, :3] = 9 * torch.eye(3)[labels].view(count, 3, *[1] * (len(shape) - 1))
        parts.append(Subset(inputs, labels))
    return Split(*parts)


def _read(*layers: nn.Module, split: Split, norms: list[nn.Module] | None = None) -> dict[str, float]:
    model = nn.Sequential(*layers, nn.Flatten(), nn.LazyLinear(3))
    return read_features(model, [layers[0]] if norms is None else norms, split, seed=0)


@pytest.mark.parametrize("shape", [(6,), (6, 4), (6, 5, 5), (6, 2, 9), (100, 9, 9)])
def test_what_a_linear_classifier_can_tell_is_read_whatever_the_shape(shape: tuple[int, ...]):
    split = _split(120, shape)
    found = _read(nn.Identity(), split=split)["probe_error"]
    assert found < 5
    silent = _read(Applied(lambda x: torch.cat((0 * x[:, :3], x[:, 3:]), 1)), split=split)
    assert silent["probe_error"] > 40


def test_the_features_are_those_behind_the_norm_applied_last():
    split, good, silent = _split(), nn.Identity(), Applied(lambda x: 0 * x)
    # Made in the other order than applied; a relu in place behind the norm must not reach what is read.
    norms = [silent, good]
    after = _read(good, nn.ReLU(inplace=True), silent, split=split, norms=norms)
    assert after["probe_error"] > 40
    assert after["sparsity"] is None
    shifted = Applied(lambda x: x - 10)
    assert _read(good, shifted, nn.ReLU(inplace=True), split=split, norms=[good, shifted])["probe_error"] < 5
    assert _read(good, split=split, norms=[]) == {}
    assert _read(good, split=split, norms=[nn.Identity()]) == {}, "a norm that is never applied"


@pytest.mark.parametrize(
    "function", [lambda x: x / 0, lambda x: x[:1], lambda x: x.flatten(0, 1)], ids=["inf", "first", "channels"]
)
def test_what_cannot_be_read_is_left_out(function):
    norm, split = Applied(function), _split()
    model = nn.Sequential(norm, Applied(torch.zeros_like))
    assert read_features(model, [norm], split, seed=0) == {}


def test_of_many_examples_some_are_drawn_by_the_seed(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(linear_probe, "MOST_TRAINED", 20)
    monkeypatch.setattr(linear_probe, "MOST_TESTED", 30)
    split, norm, seen = _split(100), nn.Identity(), []
    norm.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0]))
    model = nn.Sequential(norm, nn.Flatten(), nn.LazyLinear(3))
    for seed in (0, 0, 1):
        read_features(model, [norm], split, seed)
    # Two to find the last norm, then what is learned from and what is asked.
    assert [len(some) for some in seen] == [2, 20, 30] * 3
    assert torch.equal(seen[1], seen[4])
    assert not torch.equal(seen[1], seen[7])


def test_sparsity_is_that_of_the_positive_part():
    rates = torch.tensor(
        [[1.0, 1.0, 1.0, 1.0], [3.0, 0.0, -2.0, 0.0], [1.0, 1.0, -5.0, 0.0], [0.0, -1.0, 0.0, 0.0]]
    )
    # Of two of four: 1 - (1/2)^2 / (1/2) = 1/2, times 4/3.
    torch.testing.assert_close(sparsity(rates), torch.tensor([0.0, 1.0, 2 / 3, torch.nan]), equal_nan=True)
    torch.testing.assert_close(sparsity(rates.view(4, 2, 2)), sparsity(7 * rates), equal_nan=True)


def test_a_trial_reads_features_where_it_is_asked_for_and_the_placebo_gives_the_same():
    found = run_trial(TRIAL).results
    assert 0 < found["probe_error"] < 20
    assert 0 < found["sparsity"] < 1
    without = run_trial(replace(TRIAL, features=False)).results
    assert without == {
        name: value for name, value in found.items() if name not in ("probe_error", "probe_examples", "sparsity")
    }
    assert run_trial(replace(TRIAL, norm="user_norms:placebo")).results == found


class _Parity(nn.Module):
    """Right in evaluation; in training, right of as many examples as a batch has more than one."""

    def forward(self, x: Tensor) -> Tensor:
        scores = torch.eye(4)[x.long()]
        if self.training:
            scores[0] = -scores[0]
        return scores


@pytest.mark.parametrize(("size", "wrong"), [(1, 100.0), (2, 50.0), (4, 25.0), (16, 12.5)])
def test_the_error_in_training_mode_is_over_batches_of_the_size_trained_with(size: int, wrong: float):
    model, objective = _Parity(), classification(4)
    part = Subset(torch.arange(16.0) % 4, torch.arange(16) % 4)
    found = train_mode_error(objective, model, part, replace(TRIAL, batch_size=size))
    assert found == (wrong if size < 16 else 100 / 16)
    assert error(objective, model, part) == 0


def test_a_norm_that_is_another_in_training_shows_in_a_trial():
    none, forgets = (
        run_trial(replace(TRIAL, norm=norm, batch_size=32)) for norm in ("none", "user_norms:forgets")
    )
    assert none.results["train_mode_error"] == none.results["train_error"]
    assert forgets.results["train_mode_error"] < 50 < forgets.results["train_error"]
    batch = run_trial(replace(TRIAL, norm="batch", batch_size=8)).results
    assert batch["train_mode_error"] != batch["train_error"]
