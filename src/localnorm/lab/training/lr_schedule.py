"""One-cycle learning-rate schedule."""

from __future__ import annotations

import math

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

WARM = 0.3
"""Share of the steps in which the rate rises."""


def rate_share(step: int, steps: int) -> float:
    """Return the rate at a step as a share of the highest: it rises evenly from 0, then falls evenly to 0.

    One cycle of Smith and Topin, "Super-convergence", 2018: the seeds of one norm vary less than with a constant
    rate, so that smaller differences between norms can be decided.

    Args:
        step: from 0 to steps - 1.
        steps: of the whole trial, at least 1.

    Example:
        >>> [round(rate_share(step, 10), 2) for step in range(10)]
        [0.33, 0.67, 1.0, 1.0, 0.86, 0.71, 0.57, 0.43, 0.29, 0.14]
    """
    warm = math.ceil(WARM * steps)
    return (step + 1) / warm if step < warm else (steps - step) / (steps - warm)


def one_cycle(optimizer: Optimizer, steps: int, done: int = 0) -> None:
    """Attach the schedule to an optimizer; its learning rate becomes the highest one.

    Args:
        optimizer: before its first step.
        steps: number of steps, at least 1.
        done: steps taken before.

    Example:
        >>> import torch
        >>> weight = torch.nn.Parameter(torch.zeros(1))
        >>> optimizer = torch.optim.SGD([weight], lr=0.1)
        >>> one_cycle(optimizer, steps=10)
        >>> round(optimizer.param_groups[0]["lr"], 4)
        0.0333
    """
    scheduler = LambdaLR(optimizer, lambda step: rate_share(min(done + step, steps - 1), steps))
    optimizer.register_step_post_hook(lambda *_: scheduler.step())
