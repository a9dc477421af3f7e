"""Task, Objective and Split: the parts of a task, and the objective of classification."""

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


def _nothing(model: nn.Module, subset: Subset) -> Mapping[str, Any]:  # noqa: ARG001  most tasks have no details
    return {}


@dataclass(frozen=True)
class Objective:
    """Loss and error of a task; lower is better.

    Attributes:
        measured_as: the error in words.
        unit: of the error.
        smallest_effect: the smallest difference of the error that matters, in that unit.
        loss: ``loss(model, inputs, labels)``, a scalar to be minimized over one batch.
        error: ``error(model, subset)``, with the model in evaluation mode and without gradients.
        details: further results on the test data by name: plain JSON values.
        classes: number of classes; 0 if the labels are no classes.
        chance_error: error of a model that has learned nothing.
    """

    measured_as: str
    unit: str
    smallest_effect: float
    loss: Callable[[nn.Module, Tensor, Tensor], Tensor]
    error: Callable[[nn.Module, Subset], float]
    details: Callable[[nn.Module, Subset], Mapping[str, Any]] = _nothing
    classes: int = 0
    chance_error: float = 100.0


def classification(classes: int, smallest_effect: float = 0.5) -> Objective:
    """Return the objective of a classifier: cross-entropy, and the share of misclassified examples.

    Example:
        >>> from localnorm.lab.tasks.task import Subset
        >>> scores = torch.tensor([[2.0, 1.0], [0.0, 3.0]])
        >>> classification(2).error(nn.Identity(), Subset(scores, torch.tensor([0, 0])))
        50.0
    """

    def loss(model: nn.Module, inputs: Tensor, labels: Tensor) -> Tensor:
        return cross_entropy(model(inputs), labels)

    def error(model: nn.Module, subset: Subset) -> float:
        correct = multiclass_accuracy(
            outputs(model, subset.inputs), subset.labels, num_classes=classes, average="micro"
        )
        # The accuracy is a float32; four decimals are enough for any subset here.
        return round(100 * (1 - correct.item()), 4)

    return Objective(
        "share of the examples classified wrongly",
        "% error",
        smallest_effect,
        loss,
        error,
        classes=classes,
        chance_error=100 * (1 - 1 / classes),
    )


def outputs(model: nn.Module, inputs: Tensor) -> Tensor:
    """Return the model's outputs for a whole part, a thousand examples at a time.

    All of MNIST at once would need gigabytes for its activations. In evaluation mode no output depends on the
    other examples.
    """
    return torch.cat([model(some) for some in torch.split(inputs, _AT_ONCE)])


@torch.no_grad()
def error(objective: Objective, model: nn.Module, subset: Subset) -> float:
    """Return the error of a model, which is left in evaluation mode."""
    model.eval()
    return objective.error(model, subset)


@dataclass(frozen=True)
class Subset:
    """Inputs and labels of one subset of the data.

    Attributes:
        inputs: one example along the first axis.
        labels: one per example: classes, numbers, or boxes padded to one shape.
    """

    inputs: Tensor
    labels: Tensor


def at_most(most: int, subset: Subset, rng: torch.Generator) -> Subset:
    """Return the subset, or a random sample of its examples if it has more.

    Example:
        >>> subset = Subset(torch.arange(9), torch.arange(9))
        >>> len(at_most(4, subset, torch.Generator().manual_seed(0)).labels)
        4
    """
    if len(subset.labels) <= most:
        return subset
    drawn = torch.randperm(len(subset.labels), generator=rng)[:most]
    return Subset(subset.inputs[drawn], subset.labels[drawn])


@dataclass(frozen=True)
class Split:
    """The subsets of one seed: training, validation and test data."""

    train: Subset
    validation: Subset
    test: Subset

    @property
    def held_out(self) -> Subset:
        """Validation and test data together, for a task that draws both from one set."""
        parts = (self.validation, self.test)
        return Subset(torch.cat([p.inputs for p in parts]), torch.cat([p.labels for p in parts]))


@dataclass(frozen=True)
class Task:
    """One task of the lab.

    Attributes:
        name: the name on the command line and in records.
        about: the data and its split, for the protocol.
        model: the name of the model, for records.
        dims: axes after (N, C) of the norm's inputs: 2 in an image network, 0 in a recurrent cell.
        objective: its loss and error.
        load: the data of one seed.
        build: the model with a norm.
        corruptions: the corruptions that the test is repeated under.
        kind: which rows of the table it feeds: "images" generalization, sensitivity, batch-size dependence and,
            if its labels are classes, feature learning; the others the suitability for that type of network.
            Corruptions feed robustness.
        schedule: how its models are trained.
        pooled: whether validation and test data are one random draw, so that a judged seed, which chose nothing,
            is tested on both.
        most_corrupted: test examples that are corrupted at most, a random sample if there are more, because the
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
    pooled: bool = False

    @property
    def annealed(self) -> bool:
        """Whether the learning rate rises and falls over a trial, see `localnorm.lab.training.lr_schedule`.

        It is constant for tasks whose norms are compared at equal time: with a schedule, the state at that time
        would depend on the steps still to come.
        """
        return self.kind == "images"

    def in_plain_values(self) -> TaskStudy:
        """Return the task as plain values, for study.json and the report."""
        objective = self.objective
        return TaskStudy(
            self.name,
            self.kind,
            self.model,
            self.about,
            objective.measured_as,
            objective.unit,
            objective.smallest_effect,
            self.corruptions,
            self.schedule,
            objective.classes,
            objective.chance_error,
        )
