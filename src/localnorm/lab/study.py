"""A study: its settings as one frozen value, and the trials that follow from them alone."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from localnorm.errors import LabError
from localnorm.lab.records import Probe, Trial

DEFAULT_NORMS = ("none", "local", "batch", "layer", "instance", "group", "rms")


@dataclass(frozen=True)
class Study:
    """Everything that decides what is trained. Every norm gets the same trials.

    Attributes:
        norms: the norms compared, `none` among them.
        seeds: each seed is one pair: same data split, initial weights, batch order and noise for every norm.
        learning_rates: of Adam; the one with the least validation error is chosen for each norm.
        default_learning_rate: what a user who tunes nothing would take.
        batch_size: examples a training step.
        epochs: passes over the training images.
        row_epochs: passes over the digits read as rows.
        row_learning_rates: as `learning_rates`, for the digits read as rows.
        draws: settings drawn for each seed, of learning rate and the norm's own hyperparameters.
        batch_sizes: trained on for the batch-size row; Adam's learning rate goes with the square root.
        batch_epochs: passes over the training images there.
    """

    norms: tuple[str, ...] = DEFAULT_NORMS
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    learning_rates: tuple[float, ...] = (3e-4, 1e-3, 3e-3, 1e-2, 3e-2)
    default_learning_rate: float = 3e-3
    batch_size: int = 32
    epochs: int = 4
    row_epochs: int = 8
    row_learning_rates: tuple[float, ...] = (3e-4, 3e-3, 3e-2)
    draws: int = 3
    batch_sizes: tuple[int, ...] = (1, 16, 128)
    batch_epochs: int = 2

    def __post_init__(self) -> None:
        for name in ("norms", "seeds"):
            given = getattr(self, name)
            if not given or len(set(given)) != len(given):
                raise LabError(f"{name} must be at least one and no two the same, got {given}; drop the repeats.")
        if "none" not in self.norms:
            raise LabError(
                f"norms must contain none, which every other norm is compared with, got {', '.join(self.norms)}; "
                "add none."
            )

    def grid_trials(self) -> Iterator[Trial]:
        """Every norm, seed and learning rate on the digits, clean and corrupted, at the norm's defaults."""
        for norm in self.norms:
            for seed in self.seeds:
                for rate in self.learning_rates:
                    yield Trial(
                        "digits",
                        "textbook_cnn",
                        norm,
                        seed,
                        rate,
                        self.batch_size,
                        self.epochs,
                        corrupted=True,
                    )

    def row_trials(self) -> Iterator[Trial]:
        """Every norm, seed and learning rate on the digits read as rows."""
        for norm in self.norms:
            for seed in self.seeds:
                for rate in self.row_learning_rates:
                    yield Trial("digit-rows", "recurrent", norm, seed, rate, self.batch_size, self.row_epochs)

    def batch_trials(self) -> Iterator[Trial]:
        """Every norm, seed and batch size on the digits, at the norm's defaults."""
        for norm in self.norms:
            for seed in self.seeds:
                for size in self.batch_sizes:
                    rate = self.default_learning_rate * math.sqrt(size / self.batch_size)
                    yield Trial("digits", "textbook_cnn", norm, seed, rate, size, self.batch_epochs)

    def probes(self) -> Iterator[Probe]:
        """Cost of all norms side by side, scope and flexibility of each."""
        yield Probe("cost", self.norms)
        for norm in self.norms:
            yield Probe("scope", (norm,))
            yield Probe("flexibility", (norm,))


def smoke(study: Study) -> Study:
    """Return the study cut down to run in seconds: the same parts, too little of each to conclude from."""
    return replace(
        study,
        seeds=study.seeds[:2],
        learning_rates=(3e-3, 1e-2),
        row_learning_rates=(3e-3,),
        epochs=1,
        row_epochs=1,
        draws=1,
        batch_sizes=(8, 128),
        batch_epochs=1,
    )
