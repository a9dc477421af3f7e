"""Encode a small grey image as base64 text, to be stored in a record."""

from __future__ import annotations

import base64
import io
from typing import Literal

import torch
from PIL import Image
from torch import Tensor

LARGEST = 96
"""Pixels of the longer side at most."""
_JPEG_QUALITY = 70  # About 2 kB for a scene of 64x64 pixels.


def encode(image: Tensor, format: Literal["PNG", "JPEG"]) -> str:  # noqa: A002  Pillow's name
    """Return an image as the base64 text of a grey file, reduced if its longer side is above 96 pixels.

    Args:
        image: shape (C, H, W), values in [0, 1]; its channels are averaged.
        format: of the file.

    Example:
        >>> encode(torch.zeros(1, 8, 8), "JPEG")[:4], encode(torch.zeros(1, 2, 2), "PNG")[:11]
        ('/9j/', 'iVBORw0KGgo')
    """
    grey = (255 * image.mean(dim=0).clamp(0, 1)).round().to(torch.uint8)
    small = Image.fromarray(grey.numpy())
    small.thumbnail((LARGEST, LARGEST))
    file = io.BytesIO()
    quality = {"quality": _JPEG_QUALITY} if format == "JPEG" else {}
    small.save(file, format, optimize=True, **quality)
    return base64.b64encode(file.getvalue()).decode("ascii")
