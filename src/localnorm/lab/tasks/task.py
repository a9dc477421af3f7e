"""What a task is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torchmetrics.functional.classification import multiclass_accuracy

from localnorm.lab.norms import Builder
from localnorm.lab.study.study import Kind, TaskStudy
from localnorm.lab.study.training_config import TrainingConfig

_AT_ONCE = 1024


def _nothing(model: nn.Module, part: Subset) -> Mapping[str, Any]:  # noqa: ARG001  most tasks have no more to say
    return {}


@dataclass(frozen=True)
class Objective:
    """How a model learns and how it is judged; lower is better.

    Attributes:
        measured_as: what the error is, in words.
        unit: of the error.
        smallest_effect: the smallest difference of the error that matters, in that unit.
        loss: ``loss(model, inputs, labels)``, a scalar to be minimized over one batch.
        error: ``error(model, part)``, with the model in evaluation mode and without gradients.
        details: further findings on the test data by name: plain JSON values.
        classes: how many classes the labels tell apart; 0 where they are no classes.
    """

    measured_as: str
    unit: str
    smallest_effect: float
    loss: Callable[[nn.Module, Tensor, Tensor], Tensor]
    error: Callable[[nn.Module, Subset], float]
    details: Callable[[nn.Module, Subset], Mapping[str, Any]] = _nothing
    classes: int = 0


def classification(classes: int, smallest_effect: float = 0.5) -> Objective:
    """Return the objective of a classifier: cross-entropy, and the share of the examples it gets wrong.

    Example:
        >>> from localnorm.lab.tasks.task import Subset
        >>> scores = torch.tensor([[2.0, 1.0], [0.0, 3.0]])
        >>> classification(2).error(nn.Identity(), Subset(scores, torch.tensor([0, 0])))
        50.0
    """

    def loss(model: nn.Module, inputs: Tensor, labels: Tensor) -> Tensor:
        return cross_entropy(model(inputs), labels)

    def error(model: nn.Module, part: Subset) -> float:
        correct = multiclass_accuracy(
            outputs(model, part.inputs), part.labels, num_classes=classes, average="micro"
        )
        # The accuracy is a float32; no part has so many examples that four decimals lose one.
        return round(100 * (1 - correct.item()), 4)

    return Objective(
        "share of the examples classified wrongly", "% error", smallest_effect, loss, error, classes=classes
    )


def outputs(model: nn.Module, inputs: Tensor) -> Tensor:
    """Return the model's outputs for a whole part, a thousand examples at a time.

    All of MNIST at once would need gigabytes for its activations. In evaluation mode no output depends on the
    other examples.
    """
    return torch.cat([model(some) for some in torch.split(inputs, _AT_ONCE)])


@torch.no_grad()
def error(objective: Objective, model: nn.Module, part: Subset) -> float:
    """Return the error of a model, which is left in evaluation mode."""
    model.eval()
    return objective.error(model, part)


@dataclass(frozen=True)
class Subset:
    """Inputs and what is to be learned of them.

    Attributes:
        inputs: one example along the first axis.
        labels: what the objective compares with, one an example: classes, numbers, or boxes padded to one shape.
    """

    inputs: Tensor
    labels: Tensor


def at_most(most: int, part: Subset, rng: torch.Generator) -> Subset:
    """Return the part, or as many of its examples drawn at random.

    Example:
        >>> part = Subset(torch.arange(9), torch.arange(9))
        >>> len(at_most(4, part, torch.Generator().manual_seed(0)).labels)
        4
    """
    if len(part.labels) <= most:
        return part
    drawn = torch.randperm(len(part.labels), generator=rng)[:most]
    return Subset(part.inputs[drawn], part.labels[drawn])


@dataclass(frozen=True)
class Split:
    """The data of one seed: to learn from, to choose by, to report on."""

    train: Subset
    validation: Subset
    test: Subset


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
    schedule: TrainingConfig = field(default_factory=TrainingConfig)
    most_corrupted: int = 1_000_000_000

    @property
    def annealed(self) -> bool:
        """Whether the learning rate rises and falls over a trial, see `localnorm.lab.training.lr_schedule`.

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
