"""The adding problem: sums and marks by hand, what the error means, and a network that learns it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from localnorm.lab.norms import find_norm
from localnorm.lab.records.record import Trial
from localnorm.lab.tasks import Subset, error, find_task
from localnorm.lab.tasks.adding import sequences
from localnorm.lab.training.trial import run_trial

pytestmark = pytest.mark.usefixtures("one_thread")

ADDING = find_task("adding")


class Shifts(nn.Module):
    """Adds a constant."""

    def __init__(self, by: float) -> None:
        super().__init__()
        self.by = by

    def forward(self, x: Tensor) -> Tensor:
        return x + self.by


class Adds(nn.Module):
    """Knows the answer, and adds a constant to it."""

    def __init__(self, off: float = 0.0) -> None:
        super().__init__()
        self.off = off

    def forward(self, x: Tensor) -> Tensor:
        return (x[..., 0] * x[..., 1]).sum(1, keepdim=True) + self.off


@pytest.mark.parametrize("steps", [2, 7, 20])
def test_one_number_of_either_half_is_marked_and_the_label_is_their_sum(steps: int):
    part = sequences(400, steps, torch.Generator().manual_seed(0))
    assert part.inputs.shape == (400, steps, 2)
    seen = set()
    for sequence, label in zip(part.inputs.tolist(), part.labels.tolist(), strict=True):
        places = [place for place, (_, mark) in enumerate(sequence) if mark == 1.0]
        assert [mark for _, mark in sequence].count(0.0) == steps - 2
        first, second = places
        assert first < steps // 2 <= second
        # One rounding to float32 of numbers below 2.
        assert label == pytest.approx(sequence[first][0] + sequence[second][0], abs=2e-7)
        seen.update(places)
    assert seen == set(range(steps)), "some place is never marked"
    assert 0 <= part.inputs[..., 0].min() < part.inputs[..., 0].max() < 1


def test_labels_have_the_mean_and_variance_that_are_stated():
    labels = ADDING.load(0).train.labels
    # Five standard errors of 2,000 draws: of the mean sqrt(1 / 6 / 2000), of the variance 0.17 sqrt(1.4 / 2000).
    assert labels.mean().item() == pytest.approx(1, abs=0.046)
    assert labels.var().item() == pytest.approx(1 / 6, abs=0.022)


def test_a_seed_draws_parts_that_share_no_sequence():
    split, again, other = ADDING.load(3), ADDING.load(3), ADDING.load(4)
    parts = (split.train, split.validation, split.test)
    assert [tuple(part.inputs.shape) for part in parts] == [(2000, 20, 2), (500, 20, 2), (1000, 20, 2)]
    everything = torch.cat([part.inputs[..., 0] for part in (*parts, other.test)])
    assert len(everything.unique(dim=0)) == 4500
    assert torch.equal(again.test.inputs, split.test.inputs)
    assert torch.equal(again.test.labels, split.test.labels)


def test_error_is_zero_for_the_sum_and_100_for_the_mean():
    part = Subset(torch.zeros(4, 1), torch.tensor([0.0, 1.0, 1.0, 2.0]))
    # Deviations from the mean 1: squares 1, 0, 0, 1, so the variance is 1/2.
    assert error(ADDING.objective, Shifts(1.0), part) == 100.0
    assert error(ADDING.objective, Shifts(2.0), part) == 300.0
    test = ADDING.load(0).test
    # The rounding of float32, of a sum in another order.
    assert error(ADDING.objective, Adds(), test) == pytest.approx(0, abs=1e-4)
    assert ADDING.objective.loss(Adds(0.5), test.inputs, test.labels).item() == pytest.approx(0.25, rel=1e-6)


def test_longer_sequences_are_asked_for_too():
    test = ADDING.load(0).test
    lengths = []

    class Watches(Adds):
        def forward(self, x: Tensor) -> Tensor:
            lengths.append(x.shape[1])
            return super().forward(x)

    details = ADDING.objective.details(Watches(), test)
    assert lengths == [30, 40]
    assert details["longer_error"] == pytest.approx({"30": 0, "40": 0}, abs=1e-4)
    assert ADDING.objective.details(Adds(0.1), test) == ADDING.objective.details(Adds(0.1), ADDING.load(1).test)


def test_the_network_answers_each_sequence_alone():
    x = ADDING.load(0).test.inputs[:8]
    for norm in ("none", "local", "layer", "group", "rms"):
        torch.manual_seed(0)
        model = ADDING.build(find_norm(norm).builder(0))
        # The rounding of float32, over 20 steps: a matrix product of other height may add in another order.
        torch.testing.assert_close(model(x)[2:3], model(x[2:3]), rtol=0, atol=1e-5)
    assert sum(p.numel() for p in ADDING.build(find_norm("none").builder(0)).parameters()) == 3 * 64 + 64 * 64 + 65


def test_batch_normalization_learns_the_sums():
    record = run_trial(Trial("adding", "recurrent", "batch", 0, 3e-3, 32, 8, judged=True))
    assert record.status == "ok"
    # 13 to 24 over five seeds; a network that learns nothing has 100.
    assert record.results["test_error"] < 50
