"""Box operations: area, IoU, generalized IoU, non-maximum suppression; (left, top, right, bottom) in pixels."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

CANDIDATES = 100
"""Boxes kept per image at most, as in COCO's average precision."""


def area(boxes: Tensor) -> Tensor:
    """Return the area of boxes of shape (..., 4) in square pixels; 0 if an edge is beyond its opposite.

    Example:
        >>> area(torch.tensor([1.0, 1.0, 3.0, 5.0]))
        tensor(8.)
    """
    sides = (boxes[..., 2:] - boxes[..., :2]).clamp(min=0)
    return sides[..., 0] * sides[..., 1]


def intersection(a: Tensor, b: Tensor) -> Tensor:
    """Return the intersection, in square pixels, of boxes whose shapes (..., 4) broadcast.

    Example:
        >>> intersection(torch.tensor([0.0, 0.0, 2.0, 2.0]), torch.tensor([1.0, 0.0, 3.0, 2.0]))
        tensor(2.)
    """
    return area(torch.cat((torch.maximum(a[..., :2], b[..., :2]), torch.minimum(a[..., 2:], b[..., 2:])), dim=-1))


def iou(a: Tensor, b: Tensor) -> Tensor:
    """Return intersection over union, 0 to 1, of boxes whose shapes (..., 4) broadcast.

    Example:
        >>> iou(torch.tensor([0.0, 0.0, 2.0, 2.0]), torch.tensor([1.0, 0.0, 3.0, 2.0]))
        tensor(0.3333)
    """
    shared = intersection(a, b)
    # Avoids 0 / 0 for two boxes of area 0.
    return shared / (area(a) + area(b) - shared).clamp(min=torch.finfo(a.dtype).tiny)


def giou(a: Tensor, b: Tensor) -> Tensor:
    """Return generalized intersection over union, -1 to 1: IoU minus the share of the hull that neither box fills.

    Unlike IoU it distinguishes boxes that do not overlap. Source: Rezatofighi et al., "Generalized
    Intersection over Union", 2019.

    Example:
        >>> unit = torch.tensor([0.0, 0.0, 1.0, 1.0])
        >>> giou(unit, unit), giou(unit, unit + torch.tensor([3.0, 0.0, 3.0, 0.0]))
        (tensor(1.), tensor(-0.5000))
    """
    shared = intersection(a, b)
    union = area(a) + area(b) - shared
    hull = area(torch.cat((torch.minimum(a[..., :2], b[..., :2]), torch.maximum(a[..., 2:], b[..., 2:])), dim=-1))
    tiny = torch.finfo(a.dtype).tiny
    return shared / union.clamp(min=tiny) - (hull - union) / hull.clamp(min=tiny)


class Detections(NamedTuple):
    """Detections in N images, the best first; K is at most 100.

    Attributes:
        boxes: shape (N, K, 4).
        scores: shape (N, K), between 0 and 1.
        classes: shape (N, K), integers.
        kept: shape (N, K), False if a score is too low or the box repeats a better one.
    """

    boxes: Tensor
    scores: Tensor
    classes: Tensor
    kept: Tensor


def select(output: Tensor, *, least_score: float = 0.02, most_overlap: float = 0.6) -> Detections:
    """Keep the best boxes of each image by non-maximum suppression within each class.

    A box is kept if its score is at least ``least_score`` and no kept box of its class and image with a better
    score overlaps it by more than ``most_overlap`` (IoU).

    Args:
        output: a detector's output of shape (N, cells, 4 + classes): boxes and logits.
        least_score: lowest score of a kept box.
        most_overlap: highest IoU of two kept boxes of a class.

    Example:
        >>> boxes = torch.tensor([[0.0, 0.0, 9.0, 9.0], [0.0, 0.0, 9.0, 8.0], [20.0, 0.0, 29.0, 9.0]])
        >>> logits = torch.tensor([[1.0], [2.0], [0.0]])
        >>> select(torch.cat((boxes, logits), dim=1)[None]).kept
        tensor([[ True, False,  True]])
    """
    classes = output.shape[2] - 4
    # Stable, so that results are reproducible for equal scores.
    scores, order = output[..., 4:].sigmoid().flatten(1).sort(dim=1, descending=True, stable=True)
    scores, order = scores[:, :CANDIDATES], order[:, :CANDIDATES]
    kinds = order % classes
    boxes = output[..., :4].gather(1, (order // classes)[..., None].expand(-1, -1, 4))
    repeats = (iou(boxes[:, :, None], boxes[:, None]) > most_overlap) & (kinds[:, :, None] == kinds[:, None])
    kept = scores >= least_score
    for i in range(1, order.shape[1]):
        kept[:, i] &= ~(repeats[:, i, :i] & kept[:, :i]).any(dim=1)
    return Detections(boxes, scores, kinds, kept)
