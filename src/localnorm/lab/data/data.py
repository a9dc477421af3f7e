"""Data and Images: 8-bit images, integer labels and the official splits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from localnorm.errors import DataError
from localnorm.lab.data.stream import ImageStream


@dataclass(frozen=True)
class Images:
    """Images and their labels, as in the files.

    They become float32 in small parts when used: all of CIFAR-10 would be 700 MB in each worker.

    Attributes:
        pixels: uint8, shape (N, C, H, W); a stream of such images beyond memory.
        labels: int64, shape (N,), from 0.
    """

    pixels: NDArray[np.uint8] | ImageStream
    labels: NDArray[np.int64]


@dataclass(frozen=True)
class Data:
    """A data set with its official splits.

    Attributes:
        name: its location.
        classes: the names of the classes; a label is an index of it.
        train: training images; missing splits are split off them.
        validation: the official one, or None.
        test: the official one, or None.

    Raises:
        DataError: no images, one class only, or images of different shapes.
    """

    name: str
    classes: tuple[str, ...]
    train: Images
    validation: Images | None = None
    test: Images | None = None

    def __post_init__(self) -> None:
        for part, images in self.parts.items():
            if len(images.labels) == 0:
                raise DataError(f"each split of the data must hold an image, got none for {part} in {self.name}.")
            if images.pixels.shape[1:] != self.shape:
                raise DataError(
                    "the images of all splits must have one shape (channels, height, width), got "
                    f"{images.pixels.shape[1:]} for {part} and {self.shape} for train in {self.name}; convert or "
                    "resize them."
                )
        present = np.unique(self.train.labels)
        if len(present) < 2:
            raise DataError(
                "data to classify must have at least two classes in training, got only "
                f"{self.classes[present[0]]!r} in {self.name}; give each class its own folder or label."
            )

    @property
    def parts(self) -> dict[str, Images]:
        """The existing splits by name."""
        parts = {"train": self.train, "validation": self.validation, "test": self.test}
        return {name: images for name, images in parts.items() if images is not None}

    @property
    def shape(self) -> tuple[int, ...]:
        """Channels, height and width of every image."""
        return self.train.pixels.shape[1:]


def labelled(
    pixels: NDArray[np.uint8] | ImageStream, labels: NDArray[np.integer], classes: int, source: object
) -> Images:
    """Return images with their labels, after checking the range of the labels.

    Args:
        pixels: shape (N, C, H, W).
        labels: shape (N,).
        classes: number of classes.
        source: the file that the labels come from, for the message.

    Raises:
        DataError: a label out of range.
    """
    wrong = np.flatnonzero((labels < 0) | (labels >= classes))
    if len(wrong):
        raise DataError(
            f"a label must be in 0..{classes - 1}, got {labels[wrong[0]]} for example {wrong[0]} of {source}; "
            "the file is damaged or of another data set."
        )
    return Images(pixels, labels.astype(np.int64))
