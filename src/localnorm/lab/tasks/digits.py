"""Handwritten digits: scikit-learn's 1,797 images of 8x8 pixels, as images, rows and tokens.

Source: Alpaydin and Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning Repository, 1998.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from localnorm.lab.models.article_cnn import article_cnn
from localnorm.lab.models.recurrent import Recurrent
from localnorm.lab.models.transformer import Transformer
from localnorm.lab.study.training_config import TrainingConfig
from localnorm.lab.tasks.corruptions import CORRUPTIONS
from localnorm.lab.tasks.subset import Split, Subset
from localnorm.lab.tasks.task import Task, classification

TRAIN, VALIDATION, TEST = 1000, 297, 500


@cache
def _all() -> Subset:
    data = load_digits()
    images = torch.from_numpy(data.images.astype(np.float32) / 16).unsqueeze(1)
    return Subset(images, torch.from_numpy(data.target.astype(np.int64)))


def load(seed: int) -> Split:
    """Return images of shape (N, 1, 8, 8) in [0, 1], split by the seed with equal shares of each digit.

    Example:
        >>> split = load(0)
        >>> len(split.train.labels), len(split.validation.labels), len(split.test.labels)
        (1000, 297, 500)
    """
    everything = _all()
    rest, test = train_test_split(
        np.arange(len(everything.labels)), test_size=TEST, stratify=everything.labels, random_state=seed
    )
    train, validation = train_test_split(
        rest, test_size=VALIDATION, stratify=everything.labels[rest], random_state=seed
    )
    return Split(
        *(Subset(everything.inputs[indices], everything.labels[indices]) for indices in (train, validation, test))
    )


DIGITS = Task(
    name="digits",
    about=f"scikit-learn's 1,797 handwritten digits of 8x8 pixels: {TRAIN} to train, {VALIDATION} to choose, "
    f"{TEST} to test, split by the seed; judged seeds chose nothing and test on both",
    model="textbook_cnn",  # the stored name of article_cnn
    dims=2,
    objective=classification(10, smallest_effect=0.75),
    load=load,
    pooled=True,
    build=article_cnn,
    corruptions=tuple(CORRUPTIONS),
    most_corrupted=250,
    schedule=TrainingConfig(
        learning_rates=(1e-3, 3e-3, 1e-2, 3e-2),
        default_learning_rate=1e-2,
        epochs=6,
        draws=2,
        batch_sizes=(4, 32, 128),
        batch_epochs=2,
    ),
)


def load_rows(seed: int) -> Split:
    """Return sequences of shape (N, 8, 8): samples, rows, pixels of a row."""
    images = load(seed)
    subsets = (images.train, images.validation, images.test)
    return Split(*(Subset(subset.inputs.squeeze(1), subset.labels) for subset in subsets))


DIGIT_ROWS = Task(
    name="digit-rows",
    about="the same digits and splits, read row by row in 8 steps of 8 pixels, the norm inside the cell",
    model="recurrent",
    dims=0,
    # Recurrent networks of this size differ more from seed to seed than those for images.
    objective=classification(10, smallest_effect=1.0),
    load=load_rows,
    pooled=True,
    build=Recurrent,
    kind="recurrent",
    schedule=TrainingConfig(learning_rates=(3e-4, 3e-3, 3e-2), epochs=8),
)

DIGIT_TOKENS = Task(
    name="digit-tokens",
    about="the same digits and splits, each row a token of 8 pixels, the norm inside the block of a transformer",
    model="transformer",
    dims=0,
    objective=classification(10),
    load=load_rows,
    pooled=True,
    build=Transformer,
    kind="transformer",
    # Enough for Adam to bring every norm far below guessing.
    schedule=TrainingConfig(default_learning_rate=3e-3, batch_size=32, epochs=12),
)
