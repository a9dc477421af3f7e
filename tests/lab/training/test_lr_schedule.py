"""The course of the learning rate: it rises, falls, and never leaves a step without learning."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import nn
from torch.optim.optimizer import register_optimizer_step_pre_hook

from localnorm.lab.records.record import Trial
from localnorm.lab.tasks import TASKS, Task
from localnorm.lab.training.lr_schedule import WARM, one_cycle, rate_share
from localnorm.lab.training.trial import run_trial


@pytest.mark.parametrize("steps", [1, 2, 3, 7, 100])
def test_the_rate_rises_to_its_highest_and_falls_to_nearly_nothing(steps: int):
    shares = [rate_share(step, steps) for step in range(steps)]
    top = shares.index(1.0)
    assert top <= WARM * steps
    assert shares[: top + 1] == sorted(shares[: top + 1])
    assert shares[top:] == sorted(shares[top:], reverse=True)
    assert min(shares) > 0


def test_an_optimizer_follows_the_course_step_by_step_and_stays_at_its_end():
    weight = nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([weight], lr=0.5)
    one_cycle(optimizer, steps=6)
    weight.grad = torch.ones(1)
    moved = []
    for _ in range(8):
        before = weight.item()
        optimizer.step()
        moved.append(before - weight.item())
    expected = [0.5 * rate_share(min(step, 5), 6) for step in range(8)]
    # The weights are float32, and at most 2 here: a step is known to a unit in the last place of that.
    assert moved == pytest.approx(expected, abs=3e-7)


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_the_rate_stays_where_norms_are_compared_at_equal_time(task: Task):
    assert task.annealed == (task.kind == "images")


@pytest.fixture
def rates() -> Iterator[list[float]]:
    """The learning rate of every step that any optimizer takes."""
    seen: list[float] = []
    watch = register_optimizer_step_pre_hook(lambda optimizer, *_: seen.append(optimizer.param_groups[0]["lr"]))
    yield seen
    watch.remove()


# Twice: torch and Fabric change classes of optimizers where they are first used.
@pytest.mark.parametrize("seed", [0, 1])
def test_a_trial_trains_at_the_rates_of_its_course(seed: int, rates: list[float]):
    assert run_trial(Trial("digits", "textbook_cnn", "none", seed, 0.01, 128, 2)).status == "ok"
    # 1,000 examples in batches of 128 are 8 steps, twice.
    assert rates == pytest.approx([0.01 * rate_share(i, 16) for i in range(16)])


def test_a_trial_that_is_compared_at_equal_time_keeps_its_rate(rates: list[float]):
    assert run_trial(Trial("digit-rows", "recurrent", "none", 0, 0.01, 128, 1)).status == "ok"
    assert rates == [0.01] * 8
