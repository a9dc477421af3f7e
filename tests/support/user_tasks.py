"""User-defined tasks, named ``user_tasks:...`` in tests and imported by workers."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from localnorm.lab.norms import Builder
from localnorm.lab.tasks import Objective, Split, Subset, Task, TrainingConfig


def _load(seed: int) -> Split:
    rng = torch.Generator().manual_seed(seed)

    def part() -> Subset:
        inputs = torch.rand(24, 2, 6, 6, generator=rng)
        return Subset(inputs, inputs.mean(dim=(1, 2, 3)))

    return Split(part(), part(), part())


def _build(norm_layer: Builder) -> nn.Module:
    return nn.Sequential(nn.Conv2d(2, 8, 3), norm_layer(8), nn.Flatten(), nn.Linear(8 * 16, 1), nn.Flatten(0))


def _loss(model: nn.Module, inputs: Tensor, labels: Tensor) -> Tensor:
    return mse_loss(model(inputs), labels)


tiny = Task(
    name="its own name counts for nothing",
    about="24 images of noise, whose mean is learned",
    model="one convolution",
    dims=2,
    objective=Objective(
        "squared error of the mean",
        "squared error",
        0.001,
        _loss,
        lambda model, part: mse_loss(model(part.inputs), part.labels).item(),
    ),
    load=_load,
    build=_build,
    corruptions=("noise",),
    schedule=TrainingConfig(learning_rates=(1e-3, 1e-2), default_learning_rate=1e-3, epochs=2, batch_sizes=(4, 8)),
)
styled = replace(tiny, kind="style", corruptions=(), schedule=TrainingConfig(learning_rates=(3e-3,), epochs=1))
not_a_task = 3
