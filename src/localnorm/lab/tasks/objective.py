"""What a task's model is trained for and judged by."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torchmetrics.functional.classification import multiclass_accuracy

if TYPE_CHECKING:
    from localnorm.lab.tasks.task import Part


_AT_ONCE = 1024


def _nothing(model: nn.Module, part: Part) -> Mapping[str, Any]:  # noqa: ARG001  most tasks have no more to say
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
    error: Callable[[nn.Module, Part], float]
    details: Callable[[nn.Module, Part], Mapping[str, Any]] = _nothing
    classes: int = 0


def classification(classes: int, smallest_effect: float = 0.5) -> Objective:
    """Return the objective of a classifier: cross-entropy, and the share of the examples it gets wrong.

    Example:
        >>> from localnorm.lab.tasks.task import Part
        >>> scores = torch.tensor([[2.0, 1.0], [0.0, 3.0]])
        >>> classification(2).error(nn.Identity(), Part(scores, torch.tensor([0, 0])))
        50.0
    """

    def loss(model: nn.Module, inputs: Tensor, labels: Tensor) -> Tensor:
        return cross_entropy(model(inputs), labels)

    def error(model: nn.Module, part: Part) -> float:
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
def error(objective: Objective, model: nn.Module, part: Part) -> float:
    """Return the error of a model, which is left in evaluation mode."""
    model.eval()
    return objective.error(model, part)
