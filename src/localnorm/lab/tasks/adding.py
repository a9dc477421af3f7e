"""The adding problem: predict the sum of two marked numbers of a sequence.

Source: Hochreiter and Schmidhuber, "Long Short-Term Memory", Neural Computation 9, 1997, experiment 4; the numbers
are in [0, 1] and one mark is in each half, as in most work since.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from localnorm.lab.models.recurrent import Recurrent
from localnorm.lab.study.training_config import TrainingConfig
from localnorm.lab.tasks.subset import Split, Subset
from localnorm.lab.tasks.task import Objective, Task

STEPS = 20
LONGER = (30, 40)
TRAIN, VALIDATION, TEST = 2000, 500, 1000
EPOCHS, LEARNING_RATE, BATCH_SIZE = 40, 3e-3, 32
"""Enough for Adam to learn the task with the slowest norm."""


def sequences(count: int, steps: int, rng: torch.Generator) -> Subset:
    """Return sequences of numbers with two of them marked, and the sums of those two.

    Args:
        count: number of sequences.
        steps: their length, at least 2.
        rng: decides numbers and marks.

    Returns:
        Inputs of shape (count, steps, 2): at each step a number, uniform in [0, 1), and a mark, 0 or 1, with one
        mark in either half. Labels of shape (count,): the sum of the marked numbers, of mean 1 and variance 1/6.

    Example:
        >>> subset = sequences(3, 20, torch.Generator().manual_seed(0))
        >>> subset.inputs.shape, subset.inputs[..., 1].sum(1)
        (torch.Size([3, 20, 2]), tensor([2., 2., 2.]))
    """
    half = steps // 2
    numbers = torch.rand(count, steps, generator=rng)
    first = torch.randint(half, (count, 1), generator=rng)
    second = torch.randint(half, steps, (count, 1), generator=rng)
    marked = torch.cat((first, second), dim=1)
    marks = torch.zeros(count, steps).scatter_(1, marked, 1.0)
    return Subset(torch.stack((numbers, marks), dim=2), numbers.gather(1, marked).sum(1))


def load(seed: int) -> Split:
    """Return sequences of ``STEPS`` steps, different for each seed.

    Example:
        >>> split = load(0)
        >>> len(split.train.labels), len(split.validation.labels), len(split.test.labels)
        (2000, 500, 1000)
    """
    rng = torch.Generator().manual_seed(seed)
    return Split(*(sequences(count, STEPS, rng) for count in (TRAIN, VALIDATION, TEST)))


@cache
def _longer(steps: int) -> Subset:
    # The same for every trial: no trial learns from sequences of this length.
    return sequences(TEST, steps, torch.Generator().manual_seed(steps))


def _loss(model: nn.Module, inputs: Tensor, labels: Tensor) -> Tensor:
    return mse_loss(model(inputs).squeeze(1), labels)


def _error(model: nn.Module, subset: Subset) -> float:
    """Return the mean squared error in percent of the labels' variance."""
    squared = _loss(model, subset.inputs, subset.labels)
    return round(100 * (squared / subset.labels.var(correction=0)).item(), 4)


def _details(model: nn.Module, subset: Subset) -> Mapping[str, Any]:  # noqa: ARG001  longer sequences instead
    return {"longer_error": {str(steps): _error(model, _longer(steps)) for steps in LONGER}}


ADDING = Task(
    name="adding",
    about=f"the adding problem, the sum of two marked numbers among {STEPS}: {TRAIN:,} to train, "
    f"{VALIDATION} to choose, {TEST:,} to test, drawn by the seed; the norm inside the cell",
    model="recurrent",
    dims=0,
    objective=Objective(
        measured_as="mean squared error of the sum; guessing its mean is 100",
        unit="% of the variance",
        smallest_effect=1.0,
        loss=_loss,
        error=_error,
        details=_details,
    ),
    load=load,
    build=partial(Recurrent, inputs=2, outputs=1),
    kind="recurrent",
    schedule=TrainingConfig(default_learning_rate=LEARNING_RATE, batch_size=BATCH_SIZE, epochs=EPOCHS),
)
