"""Subset and Split: examples with labels in memory, or images decoded in batches by a DataLoader."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from localnorm.lab.data.stream import ImageStream

_CONTEXT = "fork" if sys.platform == "linux" else None
"""A worker of a study is spawned, and would spawn loaders, which import torch again in every epoch."""
_AT_ONCE = 1024
_BYTES_AT_ONCE = 64 * 2**20
"""Bytes of float32 images that are decoded at once at most."""


@dataclass(frozen=True)
class Subset:
    """Inputs and labels of one subset of the data.

    Attributes:
        inputs: one example along the first axis.
        labels: one per example: classes, numbers, or boxes padded to one shape.
    """

    inputs: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def select(self, places: Tensor) -> Subset:
        """Return the examples at some places."""
        return Subset(self.inputs[places], self.labels[places])

    def joined(self, other: Subset) -> Subset:
        """Return the examples of both, which must be of one type."""
        return Subset(torch.cat((self.inputs, other.inputs)), torch.cat((self.labels, other.labels)))

    def batches(self, places: Sequence[Tensor]) -> Iterator[Subset]:
        """Yield the examples of each batch, in memory."""
        yield from map(self.select, places)

    def parts(self, size: int = _AT_ONCE) -> Iterator[Subset]:
        """Yield all examples in order, in memory, at most `size` at a time.

        All of MNIST at once would need gigabytes for its activations. In evaluation mode no output depends on the
        other examples.

        Example:
            >>> [len(part) for part in Subset(torch.zeros(5, 2), torch.zeros(5)).parts(2)]
            [2, 2, 1]
        """
        return self.batches(torch.split(torch.arange(len(self)), size))

    def in_memory(self) -> Subset:
        """Return all examples in memory."""
        return self

    def with_loaders(self, loaders: int) -> Subset:
        """Return the subset whose images beyond memory are decoded by so many processes."""
        del loaders
        return self


class StreamedSubset(Subset):
    """Images that are decoded when a batch is taken, in the order of the batches whatever the number of processes.

    It has no `inputs`. A batch is float32 in [0, 1], without images that are skipped because they are damaged.

    Args:
        images: the images.
        labels: one per image.
        loaders: worker processes that decode ahead; 0 decodes in this process.
    """

    def __init__(self, images: ImageStream, labels: Tensor, loaders: int = 0) -> None:
        self.__dict__.update(images=images, labels=labels, loaders=loaders)

    images: ImageStream
    loaders: int

    def select(self, places: Tensor) -> Subset:
        """Return the examples at some places, not decoded."""
        return StreamedSubset(self.images.select(places.numpy()), self.labels[places], self.loaders)

    def joined(self, other: Subset) -> Subset:
        """Return the examples of both, not decoded."""
        if not isinstance(other, StreamedSubset):
            return self.in_memory().joined(other)
        return StreamedSubset(
            self.images.joined(other.images), torch.cat((self.labels, other.labels)), self.loaders
        )

    def batches(self, places: Sequence[Tensor]) -> Iterator[Subset]:
        """Yield the examples of each batch, decoded."""
        # A generator for the loader: it would draw from torch's, and change what the model draws.
        loader = DataLoader(
            _Batches(self.images, places),
            batch_size=None,
            num_workers=self.loaders,
            generator=torch.Generator(),
            multiprocessing_context=_CONTEXT if self.loaders else None,
        )
        for batch, (inputs, there) in zip(places, loader, strict=True):
            yield Subset(inputs, self.labels[batch][there])

    def parts(self, size: int = _AT_ONCE) -> Iterator[Subset]:
        """Yield all examples in order, decoded, at most `size` and 64 MiB at a time."""
        fitting = _BYTES_AT_ONCE // (4 * int(np.prod(self.images.image_shape)))
        return super().parts(max(1, min(size, fitting)))

    def in_memory(self) -> Subset:
        """Return all examples, decoded; they must be few."""
        parts = list(self.parts())
        return Subset(torch.cat([part.inputs for part in parts]), torch.cat([part.labels for part in parts]))

    def with_loaders(self, loaders: int) -> Subset:
        """Return the subset decoded by so many processes."""
        return StreamedSubset(self.images, self.labels, loaders)


class _Batches(Dataset[tuple[Tensor, Tensor]]):
    """A data set whose items are whole batches: inputs, and for each place whether its image is whole."""

    def __init__(self, images: ImageStream, places: Sequence[Tensor]) -> None:
        self._images, self._places = images, places

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, number: int) -> tuple[Tensor, Tensor]:
        pixels, there = self._images.read(self._places[number].numpy())
        return torch.from_numpy(pixels).float() / 255, torch.from_numpy(there)


def outputs(model: nn.Module, inputs: Tensor) -> Tensor:
    """Return the model's outputs for many inputs, a thousand at a time."""
    return torch.cat([model(some) for some in torch.split(inputs, _AT_ONCE)])


def at_most(most: int, subset: Subset, rng: torch.Generator) -> Subset:
    """Return the subset, or a random sample of its examples if it has more.

    Example:
        >>> subset = Subset(torch.arange(9), torch.arange(9))
        >>> len(at_most(4, subset, torch.Generator().manual_seed(0)))
        4
    """
    if len(subset) <= most:
        return subset
    return subset.select(torch.randperm(len(subset), generator=rng)[:most])


@dataclass(frozen=True)
class Split:
    """The subsets of one seed: training, validation and test data."""

    train: Subset
    validation: Subset
    test: Subset

    @property
    def held_out(self) -> Subset:
        """Validation and test data together, for a task that draws both from one set."""
        return self.validation.joined(self.test)

    def with_loaders(self, loaders: int) -> Split:
        """Return the split whose images beyond memory are decoded by so many processes."""
        if not loaders:
            return self
        return Split(*(subset.with_loaders(loaders) for subset in (self.train, self.validation, self.test)))
