"""Task and Objective: the parts of a task, and the objective of classification."""

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
from localnorm.lab.tasks.subset import Split, Subset


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
        >>> from localnorm.lab.tasks.subset import Subset
        >>> scores = torch.tensor([[2.0, 1.0], [0.0, 3.0]])
        >>> classification(2).error(nn.Identity(), Subset(scores, torch.tensor([0, 0])))
        50.0
    """

    def loss(model: nn.Module, inputs: Tensor, labels: Tensor) -> Tensor:
        return cross_entropy(model(inputs), labels)

    def error(model: nn.Module, subset: Subset) -> float:
        scores = [(model(part.inputs), part.labels) for part in subset.parts()]
        given, wanted = (torch.cat(each) for each in zip(*scores, strict=True))
        correct = multiclass_accuracy(given, wanted, num_classes=classes, average="micro")
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


@torch.no_grad()
def error(objective: Objective, model: nn.Module, subset: Subset) -> float:
    """Return the error of a model, which is left in evaluation mode."""
    model.eval()
    return objective.error(model, subset)


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
        augment: ``augment(inputs, seed)`` changes the inputs of a training batch.
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
    augment: Callable[[Tensor, int], Tensor] | None = None

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
