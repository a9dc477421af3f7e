"""The course of the learning rate over a trial's steps."""

from __future__ import annotations

import math

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

WARM = 0.3
"""Share of the steps in which the rate rises."""


def share(step: int, steps: int) -> float:
    """Return the rate at a step as a share of the highest: it rises evenly from 0, then falls evenly to 0.

    One cycle of Smith and Topin, "Super-convergence", 2018: the seeds of one norm end nearer together than
    with a rate that stays, so that smaller differences between norms can be told from chance.

    Args:
        step: from 0 to steps - 1.
        steps: of the whole trial, at least 1.

    Example:
        >>> [round(share(step, 10), 2) for step in range(10)]
        [0.33, 0.67, 1.0, 1.0, 0.86, 0.71, 0.57, 0.43, 0.29, 0.14]
    """
    warm = math.ceil(WARM * steps)
    return (step + 1) / warm if step < warm else (steps - step) / (steps - warm)


def rise_and_fall(optimizer: Optimizer, steps: int) -> None:
    """Let the optimizer change its own learning rate, the highest, after each of its steps.

    Args:
        optimizer: at its first step.
        steps: how many it will take, at least 1.

    Example:
        >>> import torch
        >>> weight = torch.nn.Parameter(torch.zeros(1))
        >>> optimizer = torch.optim.SGD([weight], lr=0.1)
        >>> rise_and_fall(optimizer, steps=10)
        >>> round(optimizer.param_groups[0]["lr"], 4)
        0.0333
    """
    scheduler = LambdaLR(optimizer, lambda step: share(min(step, steps - 1), steps))
    optimizer.register_step_post_hook(lambda *_: scheduler.step())
