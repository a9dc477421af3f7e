"""What a detector is trained for and judged by."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from localnorm.lab.models.detector import STRIDE, centres
from localnorm.lab.tasks.detection.average_precision import average_precision
from localnorm.lab.tasks.detection.boxes import Detections, area, giou, iou, select
from localnorm.lab.tasks.task import Objective

if TYPE_CHECKING:
    from localnorm.lab.tasks.task import Subset

_REACH = 1.5 * STRIDE  # How far from a box's centre a cell may stand and still be taught it, in pixels.
_BOX_WEIGHT = 2.0  # Of a box's loss beside that of its score.
_CHUNK = 100  # Images at a time where a model is judged: memory does not grow with the part.
_SHOWN, _SHOWN_BOXES, _SHOWN_SCORE = 4, 10, 0.3  # Images, boxes an image and least score in the details.


def assign(labels: Tensor, places: Tensor) -> Tensor:
    """Return which true box each cell is taught, -1 for none: the background.

    A cell is taught a box that holds its centre, within 1.5 strides of the box's own in x and in y; of several,
    the smallest. A box that holds no cell's centre is taught to none.

    Args:
        labels: shape (N, M, 5): class and box, class -1 in padding.
        places: the cells' centres, shape (cells, 2).

    Returns:
        Indices into M, shape (N, cells).

    Example:
        >>> assign(torch.tensor([[[7.0, 0.0, 0.0, 4.0, 4.0], [-1.0, 0, 0, 0, 0]]]), centres(4, 8))
        tensor([[ 0, -1]])
    """
    boxes = labels[:, None, :, 1:]
    place = places[:, None]
    inside = ((place > boxes[..., :2]) & (place < boxes[..., 2:])).all(dim=-1)
    near = ((place - (boxes[..., :2] + boxes[..., 2:]) / 2).abs() < _REACH).all(dim=-1)
    size = area(boxes).masked_fill(~(inside & near & (labels[:, None, :, 0] >= 0)), torch.inf)
    smallest, which = size.min(dim=-1)
    return which.masked_fill(smallest == torch.inf, -1)


def detection_loss(said: Tensor, labels: Tensor, places: Tensor) -> Tensor:
    """Return the loss of a detector's output.

    Over all cells i and classes c, with p the score, and y the IoU of the cell's box where c is the class that
    the cell is taught and 0 elsewhere; then over the P cells that are taught a box:

        (sum_ic |y - p|^2 BCE(p, y) + 2 sum_i (1 - GIoU_i)) / P

    The first part is the quality focal loss (Li et al., "Generalized Focal Loss", 2020), which teaches a score
    how good its box is. y is held constant.

    Args:
        said: shape (N, cells, 4 + classes).
        labels: shape (N, M, 5).
        places: the cells' centres, shape (cells, 2).

    Example:
        >>> said = torch.tensor([[[0.0, 0.0, 4.0, 4.0, 20.0]]])  # the right box, and sure of it
        >>> detection_loss(said, torch.tensor([[[0.0, 0.0, 0.0, 4.0, 4.0]]]), centres(4, 4))
        tensor(0.)
    """
    taught = assign(labels, places)
    image, cell = (taught >= 0).nonzero(as_tuple=True)
    target = labels[image, taught[image, cell]]
    boxes, logits = said[image, cell, :4], said[..., 4:]
    quality = torch.zeros_like(logits)
    quality[image, cell, target[:, 0].long()] = iou(boxes.detach(), target[:, 1:])
    scores = binary_cross_entropy_with_logits(logits, quality, reduction="none")
    scores = scores * (quality - logits.sigmoid()).square()
    return (scores.sum() + _BOX_WEIGHT * (1 - giou(boxes, target[:, 1:])).sum()) / max(len(target), 1)


def detect(model: nn.Module, inputs: Tensor) -> Detections:
    """Return what a model finds in images.

    Args:
        model: gives an output of shape (N, cells, 4 + classes): boxes and logits.
        inputs: images of shape (N, C, H, W), shown to it 100 at a time.

    Example:
        >>> detect(nn.Identity(), torch.tensor([[[0.0, 0.0, 4.0, 4.0, 20.0]]])).kept
        tensor([[True]])
    """
    parts = [select(model(images)) for images in torch.split(inputs, _CHUNK)]
    return Detections(*(torch.cat(fields) for fields in zip(*parts, strict=True)))


def _loss(model: nn.Module, inputs: Tensor, labels: Tensor) -> Tensor:
    return detection_loss(model(inputs), labels, centres(inputs.shape[2], inputs.shape[3]))


def _error(model: nn.Module, part: Subset) -> float:
    return round(100 * (1 - average_precision(detect(model, part.inputs), part.labels).ap), 4)


def _details(model: nn.Module, part: Subset) -> Mapping[str, Any]:
    found = detect(model, part.inputs)
    precision = average_precision(found, part.labels)
    shown = []
    for image in range(min(_SHOWN, len(part.labels))):
        best = (found.kept[image] & (found.scores[image] >= _SHOWN_SCORE)).nonzero()[:_SHOWN_BOXES, 0]
        _, height, width = part.inputs[image].shape
        shown.append(
            {
                "size": [width, height],
                "jpeg": jpeg(part.inputs[image]),
                "true": [[int(kind), *box] for kind, *box in part.labels[image].tolist() if kind >= 0],
                "found": [
                    [
                        int(found.classes[image, i]),
                        round(float(found.scores[image, i]), 3),
                        *(round(edge, 1) for edge in found.boxes[image, i].tolist()),
                    ]
                    for i in best
                ],
            }
        )
    return {"ap50": round(100 * precision.ap50, 4), "ap75": round(100 * precision.ap75, 4), "scenes": shown}


def detection(smallest_effect: float = 1.0) -> Objective:
    """Return the objective of a detector: `detection_loss`, and what is missing from a perfect average precision.

    The error is 100 (1 - mAP), with COCO's mAP over the IoU thresholds 0.50 to 0.95. The details of the test:
    ``ap50`` and ``ap75`` in percent, and ``scenes``: for the first 4 test images their ``size`` as (width,
    height), a small ``jpeg`` as base64, the true boxes as (class, left, top, right, bottom) and those found as
    (class, score, left, top, right, bottom), at most 10 with a score of at least 0.3.

    Args:
        smallest_effect: the smallest difference of the error that matters, in points of mAP.

    Example:
        >>> detection().unit
        'points of mAP short of 100'
    """
    return Objective(
        "100 minus COCO's mean average precision over IoU 0.50 to 0.95",
        "points of mAP short of 100",
        smallest_effect,
        _loss,
        _error,
        _details,
    )


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
