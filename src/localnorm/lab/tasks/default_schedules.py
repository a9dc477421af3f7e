"""Default training configurations for user data: fewer examples, more epochs."""

from __future__ import annotations

from localnorm.lab.study.training_config import TrainingConfig

SEEN = 10_000
"""Training examples times epochs of an image model, if its data allow it."""
FEW = 2_000
"""Training images up to which random search is done and the batch-size row is measured."""
FACES_SEEN = 6_000
SCENES_SEEN = 9_000


def _epochs(examples: int, total: int, most: int) -> int:
    """Return the epochs nearest to a total of examples trained on: at least 2, at most `most`."""
    return min(most, max(2, round(total / max(1, examples))))


def images_schedule(examples: int) -> TrainingConfig:
    """Return the default training configuration for user image data: rates around Adam's usual one.

    Args:
        examples: number of training images.

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
        # Small batches take the most time; with many images they must be asked for.
        batch_sizes=(2, 16, 64) if few else (),
        batch_epochs=max(1, epochs // 4),
    )


def faces_schedule(images: int) -> TrainingConfig:
    """Return the default training configuration for embeddings of faces.

    Args:
        images: number of training images.

    Example:
        >>> faces_schedule(1_000).epochs
        6
    """
    return TrainingConfig(
        learning_rates=(3e-4, 1e-3, 3e-3),
        default_learning_rate=1e-3,
        epochs=_epochs(images, FACES_SEEN, 30),
        draws=2,
    )


def scenes_schedule(images: int) -> TrainingConfig:
    """Return the default training configuration for object detection: that of the digit scenes.

    Args:
        images: number of training images.

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
