"""Training settings of a task, the same for every norm."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product

from localnorm.errors import LabError

DEVICES = ("auto", "cpu", "cuda", "mps", "xpu")
PRECISIONS = ("32", "bf16-mixed", "16-mixed")
CPU, FULL = "cpu", "32"
ADAM = "adam"
OPTIMIZERS = (ADAM, "sgd", "muon")
_SGD_RATE = 10
"""Learning rates of SGD with momentum, as multiples of Adam's."""


@dataclass(frozen=True)
class TrainingConfig:
    """The training settings of one task, the same for every norm.

    Attributes:
        learning_rates: of the optimizer; all are tried, and the best on validation data is chosen for each norm.
        default_learning_rate: one of these, for a user who does not tune.
        batch_size: examples per training step.
        epochs: passes over the training data.
        more_batch_sizes: further batch sizes, tried with every learning rate.
        more_epochs: further numbers of epochs, tried in the same way.
        draws: random-search samples for each seed, of learning rate and the norm's hyperparameters.
        batch_sizes: those of the batch-size row; the learning rate is scaled with them, see `rate_at`.
        batch_epochs: passes over the training data there; more for batches above `batch_size`, see `epochs_at`.
        corrupted: whether the test is repeated under the task's corruptions, if it has any.
        device: cpu, cuda, mps or xpu.
        precision: 32, bf16-mixed or 16-mixed: float32, or torch's autocast, with float32 parameters.
        optimizer: adam, sgd (with momentum 0.9) or muon, without weight decay.

    Example:
        >>> TrainingConfig(learning_rates=(1e-3, 1e-2), default_learning_rate=1e-3, more_epochs=(16,)).grid[:2]
        ((0.001, 32, 8), (0.001, 32, 16))
    """

    learning_rates: tuple[float, ...] = (3e-4, 3e-3, 3e-2)
    default_learning_rate: float = 3e-3
    batch_size: int = 32
    epochs: int = 8
    more_batch_sizes: tuple[int, ...] = ()
    more_epochs: tuple[int, ...] = ()
    draws: int = 0
    batch_sizes: tuple[int, ...] = ()
    batch_epochs: int = 2
    corrupted: bool = True
    device: str = CPU
    precision: str = FULL
    optimizer: str = ADAM

    def __post_init__(self) -> None:
        for name, values in (
            ("learning rates", self.learning_rates),
            ("batch sizes tried", (self.batch_size, *self.more_batch_sizes)),
            ("epochs tried", (self.epochs, *self.more_epochs)),
            ("batch sizes", self.batch_sizes),
        ):
            if len(set(values)) != len(values) or not all(math.isfinite(value) and value > 0 for value in values):
                raise LabError(f"{name} must be above 0 and no two the same, got {listed(values)}; change them.")
        if self.default_learning_rate not in self.learning_rates:
            raise LabError(
                f"the default learning rate must be one of those tried, {listed(self.learning_rates)}, got "
                f"{self.default_learning_rate:g}; add it to them, or take one of them."
            )
        if self.draws and len(self.learning_rates) < 2:
            raise LabError(
                "learning rates are sampled between the lowest and the highest, which must differ, got "
                f"{listed(self.learning_rates)} alone; give two, or draws = 0."
            )

    @property
    def grid(self) -> tuple[tuple[float, int, int], ...]:
        """All combinations of learning rate, batch size and epochs, tried at a norm's defaults."""
        sizes, epochs = (self.batch_size, *self.more_batch_sizes), (self.epochs, *self.more_epochs)
        return tuple(product(self.learning_rates, sizes, epochs))

    def rate_at(self, size: int) -> float:
        """Return the learning rate at a batch size of the batch-size row.

        It grows with the square root of the size for Adam and Muon, whose steps do not depend on the size of the
        gradient, and with the size for SGD.

        Example:
            >>> TrainingConfig(default_learning_rate=3e-3, batch_size=32).rate_at(128)
            0.006
        """
        power = 1.0 if self.optimizer == OPTIMIZERS[1] else 0.5
        return self.default_learning_rate * math.pow(size / self.batch_size, power)

    def epochs_at(self, size: int) -> int:
        """Return the passes over the training data at a batch size of the batch-size row.

        Batches up to the task's own size see the same number of examples. Larger ones take the same number of
        steps, so that the row does not only show that they were trained for few steps.

        Example:
            >>> [TrainingConfig(batch_size=32, batch_epochs=2).epochs_at(size) for size in (1, 32, 128)]
            [2, 2, 8]
        """
        return max(self.batch_epochs, math.ceil(self.batch_epochs * size / self.batch_size))


def with_optimizer(schedule: TrainingConfig, optimizer: str) -> TrainingConfig:
    """Return the schedule of an optimizer, whose learning rates suit it.

    Example:
        >>> with_optimizer(TrainingConfig(), "sgd").learning_rates
        (0.003, 0.03, 0.3)
    """
    factor = _SGD_RATE if optimizer == OPTIMIZERS[1] else 1
    rates = tuple(float(f"{factor * rate:.6g}") for rate in schedule.learning_rates)
    default = rates[schedule.learning_rates.index(schedule.default_learning_rate)]
    return replace(schedule, learning_rates=rates, default_learning_rate=default, optimizer=optimizer)


def listed(values: Sequence[float]) -> str:
    """Return numbers as they are written on the command line.

    Example:
        >>> listed((3e-4, 128))
        '0.0003, 128'
    """
    return ", ".join(f"{value:g}" for value in values)


def at_rates(schedule: TrainingConfig, rates: tuple[float, ...]) -> TrainingConfig:
    """Return the schedule with other learning rates; the one closest in ratio to the default becomes the default.

    With a single rate there is no random search, because there is no range to sample.

    Example:
        >>> at_rates(TrainingConfig(), (1e-3, 1e-1)).default_learning_rate
        0.001
    """
    positive = [rate for rate in rates if rate > 0] or [schedule.default_learning_rate]
    default = min(positive, key=lambda rate: abs(math.log(rate / schedule.default_learning_rate)))
    draws = schedule.draws if len(rates) > 1 else 0
    return replace(schedule, learning_rates=rates, default_learning_rate=default, draws=draws)


def cut_down(schedule: TrainingConfig) -> TrainingConfig:
    """Return the schedule reduced to run in seconds: the same parts, too small to conclude from."""
    rates = sorted(schedule.learning_rates)
    start = rates.index(schedule.default_learning_rate)
    # Random search needs two rates to sample between.
    first = min(start, max(0, len(rates) - 2)) if schedule.draws else start
    return replace(
        schedule,
        learning_rates=tuple(rates[first : first + 2] if schedule.draws else rates[first : first + 1]),
        more_batch_sizes=(),
        more_epochs=(),
        epochs=1,
        draws=min(schedule.draws, 1),
        batch_sizes=(8, 128) if schedule.batch_sizes else (),
        batch_epochs=1 if schedule.batch_sizes else schedule.batch_epochs,
    )
