"""Images decoded when they are used, for data sets beyond memory; a damaged image is named, or skipped."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from localnorm.errors import DataError
from localnorm.lab.data.images import GRAY, PILImage, resize, stack

MOST_IN_MEMORY = 256 * 2**20
"""Bytes of decoded images that are read at once; a larger data set is decoded as it is used."""
_LOOKED_AT = 16
"""Images opened to find out the size and whether all are gray."""


@dataclass(frozen=True)
class ImageStream:
    """A sequence of images on disk, all decoded to one shape.

    Attributes:
        open: returns an image by its place in the data set; raises DataError for a damaged one.
        names: of all images of the data set, for messages.
        places: those of this sequence.
        image_shape: channels, height and width.
        side: side in pixels to resize to; None keeps the size.
        skip: leave out damaged images instead of raising.
    """

    open: Callable[[int], PILImage]
    names: Sequence[str]
    places: NDArray[np.int64]
    image_shape: tuple[int, int, int]
    side: int | None = None
    skip: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of images, channels, height and width."""
        return (len(self.places), *self.image_shape)

    def select(self, places: NDArray[np.integer]) -> ImageStream:
        """Return a part of the sequence, not decoded."""
        return replace(self, places=self.places[places])

    def joined(self, other: ImageStream) -> ImageStream:
        """Return both sequences, one after the other."""
        return replace(self, places=np.concatenate((self.places, other.places)))

    def read(self, places: NDArray[np.integer]) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """Decode some images.

        Args:
            places: in this sequence.

        Returns:
            The pixels, shape (N, C, H, W), without skipped images; and for each place whether it is there.

        Raises:
            DataError: a damaged image that is not to be skipped, or one of another size or number of channels.
        """
        there = np.ones(len(places), bool)
        images: list[tuple[object, PILImage]] = []
        for i, place in enumerate(self.places[places]):
            try:
                images.append((self.names[place], self.open(int(place))))
            except DataError:
                if not self.skip:
                    raise
                there[i] = False
        if not images:
            return np.empty((0, *self.image_shape), np.uint8), there
        pixels = stack(images, resize(self.side))
        if pixels.shape[1] == 1 and self.image_shape[0] == 3:
            pixels = np.repeat(pixels, 3, axis=1)
        if pixels.shape[1:] != self.image_shape:
            raise DataError(
                f"all images must have one shape (channels, height, width), got {pixels.shape[1:]} and "
                f"{self.image_shape} near {images[0][0]}; convert them to one mode, or give a side to resize to."
            )
        return pixels, there


def stream_or_stack(
    names: Sequence[str], open_place: Callable[[int], PILImage], side: int | None, *, skip: bool = False
) -> ImageStream | NDArray[np.uint8]:
    """Return the images of a data set: an array if they fit `MOST_IN_MEMORY`, else a stream.

    Args:
        names: of the images, for messages; at least one.
        open_place: returns an image by its place; raises DataError for a damaged one.
        side: side in pixels to resize to; None keeps the size.
        skip: whether the stream leaves out damaged images.

    Raises:
        DataError: a damaged image, or images of different sizes.
    """
    first = _first_whole(open_place, len(names), skip=skip)
    width, height = (side, side) if side else first.size
    if len(names) * width * height * 3 <= MOST_IN_MEMORY and not skip:
        return stack(((name, open_place(place)) for place, name in enumerate(names)), resize(side))
    spread = np.unique(np.linspace(0, len(names) - 1, _LOOKED_AT).astype(int))
    modes = {image.mode for place in spread if (image := _opened(open_place, int(place), skip=skip))}
    channels = 1 if modes <= GRAY else 3
    return ImageStream(open_place, names, np.arange(len(names)), (channels, height, width), side, skip)


def _opened(open_place: Callable[[int], PILImage], place: int, *, skip: bool) -> PILImage | None:
    try:
        return open_place(place)
    except DataError:
        if skip:
            return None
        raise


def _first_whole(open_place: Callable[[int], PILImage], count: int, *, skip: bool) -> PILImage:
    for place in range(count):
        if image := _opened(open_place, place, skip=skip):
            return image
    raise DataError(f"a data set must hold a whole image, got {count} damaged ones; check the files.")
