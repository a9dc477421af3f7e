"""What a task is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from localnorm.lab.norms import Builder
from localnorm.lab.schedule import Schedule
from localnorm.lab.study import Kind, TaskStudy
from localnorm.lab.tasks.objective import Objective


@dataclass(frozen=True)
class Part:
    """Inputs and what is to be learned of them.

    Attributes:
        inputs: one example along the first axis.
        labels: what the objective compares with, one an example: classes, numbers, or boxes padded to one shape.
    """

    inputs: Tensor
    labels: Tensor


def at_most(most: int, part: Part, rng: torch.Generator) -> Part:
    """Return the part, or as many of its examples drawn at random.

    Example:
        >>> part = Part(torch.arange(9), torch.arange(9))
        >>> len(at_most(4, part, torch.Generator().manual_seed(0)).labels)
        4
    """
    if len(part.labels) <= most:
        return part
    drawn = torch.randperm(len(part.labels), generator=rng)[:most]
    return Part(part.inputs[drawn], part.labels[drawn])


@dataclass(frozen=True)
class Split:
    """The data of one seed: to learn from, to choose by, to report on."""

    train: Part
    validation: Part
    test: Part


@dataclass(frozen=True)
class Task:
    """One task of the lab.

    Attributes:
        name: the name on the command line and in records.
        about: the data and its split, for the protocol.
        model: the name of the model, for records.
        dims: axes after (N, C) where the norm sits: 2 in an image network, 0 in a recurrent cell.
        objective: what it is trained for and judged by.
        load: the data of one seed.
        build: the model with a norm.
        corruptions: the corruptions that the test is repeated under.
        kind: which rows of the table it feeds: "images" generalization, sensitivity, batch-size dependence and,
            where its labels are classes, feature learning; the others the suitability for what they are named
            after. Robustness is fed where there are corruptions.
        schedule: how its models are trained.
        most_corrupted: test examples that are corrupted at most, drawn by the seed where there are more, since the
            test is repeated 45 times.
    """

    name: str
    about: str
    model: str
    dims: int
    objective: Objective
    load: Callable[[int], Split]
    build: Callable[[Builder], nn.Module]
    corruptions: tuple[str, ...] = ()
    kind: Kind = "images"
    schedule: Schedule = field(default_factory=Schedule)
    most_corrupted: int = 1_000_000_000

    @property
    def annealed(self) -> bool:
        """Whether the learning rate rises and falls over a trial, see `localnorm.lab.course`.

        Where norms are compared at equal time, the rate stays: what a model has learned by then would depend on
        what was still to come.
        """
        return self.kind == "images"

    def in_plain_values(self) -> TaskStudy:
        """Return what a study and its report have to know of the task."""
        judged = self.objective
        return TaskStudy(
            self.name,
            self.kind,
            self.model,
            self.about,
            judged.measured_as,
            judged.unit,
            judged.smallest_effect,
            self.corruptions,
            self.schedule,
            judged.classes,
        )
