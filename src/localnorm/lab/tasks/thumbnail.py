"""A small picture of an image, for records: enough to draw on in a report."""

from __future__ import annotations

import base64
import io

import torch
from PIL import Image
from torch import Tensor

LARGEST = 96
"""Pixels of its longer side at most."""
_QUALITY = 70  # A scene of 64x64 pixels takes about 2 kB so.


def jpeg(image: Tensor) -> str:
    """Return an image as the base64 text of a grey JPEG, shrunk where its longer side is above 96 pixels.

    Args:
        image: shape (C, H, W), values in [0, 1]; its channels are averaged.

    Example:
        >>> jpeg(torch.zeros(1, 8, 8))[:4]
        '/9j/'
    """
    grey = (255 * image.mean(dim=0).clamp(0, 1)).round().to(torch.uint8)
    picture = Image.fromarray(grey.numpy())
    picture.thumbnail((LARGEST, LARGEST))
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=_QUALITY, optimize=True)
    return base64.b64encode(file.getvalue()).decode("ascii")
