"""Schedules for data of a user's own: the less there is of it, the more often it is seen."""

from __future__ import annotations

from localnorm.lab.study.training_config import TrainingConfig

SEEN = 10_000
"""Examples that an image model sees in training, where its data allow it."""
FEW = 2_000
"""Training images up to which settings are drawn and the batch-size row is measured."""
FACES_SEEN = 6_000
SCENES_SEEN = 9_000


def _epochs(examples: int, seen: int, most: int) -> int:
    """Return the passes that come nearest to so many examples seen: at least 2, at most `most`."""
    return min(most, max(2, round(seen / max(1, examples))))


def images_schedule(examples: int) -> TrainingConfig:
    """Return how to learn to classify images that nothing is known of: about Adam's usual rate.

    Args:
        examples: how many there are to train on.

    Example:
        >>> few, many = images_schedule(500), images_schedule(50_000)
        >>> (few.epochs, few.draws, few.batch_sizes), (many.epochs, many.draws, many.batch_sizes)
        ((20, 2, (2, 16, 64)), (2, 0, ()))
    """
    epochs = _epochs(examples, SEEN, 30)
    few = examples <= FEW
    return TrainingConfig(
        learning_rates=(3e-4, 1e-3, 3e-3),
        default_learning_rate=1e-3,
        epochs=epochs,
        draws=2 if few else 0,
        # Steps of few images take the most time; with many images they are for who asks for them.
        batch_sizes=(2, 16, 64) if few else (),
        batch_epochs=max(1, epochs // 4),
    )


def faces_schedule(pictures: int) -> TrainingConfig:
    """Return how to learn an embedding of faces.

    Args:
        pictures: how many there are to train on.

    Example:
        >>> faces_schedule(1_000).epochs
        6
    """
    return TrainingConfig(
        learning_rates=(3e-4, 1e-3, 3e-3),
        default_learning_rate=1e-3,
        epochs=_epochs(pictures, FACES_SEEN, 30),
        draws=2,
    )


def scenes_schedule(images: int) -> TrainingConfig:
    """Return how to learn to find what images show: that of the scenes of digits.

    Args:
        images: how many there are to train on.

    Example:
        >>> scenes_schedule(600).epochs
        15
    """
    return TrainingConfig(
        learning_rates=(3e-3, 1e-2, 3e-2),
        default_learning_rate=1e-2,
        batch_size=16,
        epochs=_epochs(images, SCENES_SEEN, 60),
    )
