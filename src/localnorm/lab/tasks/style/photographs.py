"""Grey photographs and textures from scikit-image's data folder: crops and random contrast."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.resources import as_file, files

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from localnorm.errors import LabError

_LEAST_DEVIATION = 0.08
_LEAST_CONTRAST = 1 / 8


@cache
def photograph(name: str, shrink: int = 1) -> Tensor:
    """Return an image of scikit-image's data folder as grey values.

    Not through ``skimage.data``, which downloads missing files.

    Args:
        name: the file's name.
        shrink: this many pixels per side are averaged to one.

    Returns:
        Shape (H, W), values in [0, 1].

    Raises:
        LabError: the folder has no such file.

    Example:
        >>> photograph("gravel.png", 2).shape
        torch.Size([256, 256])
    """
    source = files("skimage") / "data" / name
    if not source.is_file():
        raise LabError(
            f"a photograph must be in scikit-image's data folder, got {name}, which is missing; install the "
            "wheel of scikit-image 0.24 or later."
        )
    with as_file(source) as path, Image.open(path) as image:
        return torch.from_numpy(np.asarray(image.convert("L").reduce(shrink), dtype=np.float32) / 255)


def crops(photographs: Sequence[Tensor], count: int, side: int, rng: torch.Generator) -> Tensor:
    """Return square crops at random places, as many from each photograph.

    A crop with a standard deviation below 0.08, such as bare sky, has no content and is drawn again.

    Args:
        photographs: each of shape (H, W), with H and W at least side, and not bare everywhere.
        count: number of crops.
        side: height and width of a crop.
        rng: source of the random places.

    Returns:
        Shape (count, 1, side, side).

    Example:
        >>> crops([torch.eye(9)], 3, 4, torch.Generator().manual_seed(0)).shape
        torch.Size([3, 1, 4, 4])
    """
    found: list[Tensor] = []
    while len(found) < count:
        image = photographs[len(found) % len(photographs)]
        top, left = (int(torch.randint(length - side + 1, (), generator=rng)) for length in image.shape)
        crop = image[top : top + side, left : left + side]
        if crop.std() >= _LEAST_DEVIATION:
            found.append(crop)
    return torch.stack(found).unsqueeze(1)


def vary_contrast(images: Tensor, rng: torch.Generator) -> Tensor:
    """Return each image with its contrast around its own mean reduced by a random factor, from 1 down to 1/8.

    Args:
        images: shape (N, C, H, W).
        rng: source of the factors; their logarithm is uniform.

    Example:
        >>> vary_contrast(torch.ones(2, 1, 4, 4), torch.Generator().manual_seed(0)).unique()
        tensor([1.])
    """
    factor = _LEAST_CONTRAST ** torch.rand(len(images), 1, 1, 1, generator=rng)
    mean = images.mean(dim=(1, 2, 3), keepdim=True)
    return mean + factor * (images - mean)
