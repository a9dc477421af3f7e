"""Objective of object detection: loss with quality focal loss and GIoU, error from COCO's mAP."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from localnorm.lab.models.detector import STRIDE, centres
from localnorm.lab.tasks.detection.average_precision import average_precision
from localnorm.lab.tasks.detection.boxes import Detections, area, giou, iou, select
from localnorm.lab.tasks.encode import encode
from localnorm.lab.tasks.task import Objective

if TYPE_CHECKING:
    from localnorm.lab.tasks.subset import Subset

_REACH = 1.5 * STRIDE  # Pixels from a box's centre within which a cell is assigned to it.
_BOX_WEIGHT = 2.0  # Weight of a box's loss relative to that of its score.
_CHUNK = 100  # Images per batch in evaluation, to limit memory.
_SHOWN, _SHOWN_BOXES, _SHOWN_SCORE = 4, 10, 0.3  # Images, boxes per image and lowest score in the details.


def assign(labels: Tensor, places: Tensor) -> Tensor:
    """Return the true box assigned to each cell, -1 for background.

    A cell is assigned to a box that contains its centre, within 1.5 strides of the box's centre in x and in y; of
    several, to the smallest. A box without a cell's centre is not assigned.

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


def detection_loss(output: Tensor, labels: Tensor, places: Tensor) -> Tensor:
    """Return the loss of a detector's output.

    Over all cells i and classes c, with p the score, and y the IoU of the cell's box if c is its assigned
    class, else 0; then over the P cells with a box:

        (sum_ic |y - p|^2 BCE(p, y) + 2 sum_i (1 - GIoU_i)) / P

    The first part is the quality focal loss (Li et al., "Generalized Focal Loss", 2020), which trains a score to
    rate its box. y is held constant.

    Args:
        output: shape (N, cells, 4 + classes).
        labels: shape (N, M, 5).
        places: the cells' centres, shape (cells, 2).

    Example:
        >>> output = torch.tensor([[[0.0, 0.0, 4.0, 4.0, 20.0]]])  # the right box, with a high score
        >>> detection_loss(output, torch.tensor([[[0.0, 0.0, 0.0, 4.0, 4.0]]]), centres(4, 4))
        tensor(0.)
    """
    assigned = assign(labels, places)
    image, cell = (assigned >= 0).nonzero(as_tuple=True)
    target = labels[image, assigned[image, cell]]
    boxes, logits = output[image, cell, :4], output[..., 4:]
    quality = torch.zeros_like(logits)
    quality[image, cell, target[:, 0].long()] = iou(boxes.detach(), target[:, 1:])
    scores = binary_cross_entropy_with_logits(logits, quality, reduction="none")
    scores = scores * (quality - logits.sigmoid()).square()
    return (scores.sum() + _BOX_WEIGHT * (1 - giou(boxes, target[:, 1:])).sum()) / max(len(target), 1)


def detect(model: nn.Module, inputs: Tensor) -> Detections:
    """Return a model's detections in images.

    Args:
        model: returns an output of shape (N, cells, 4 + classes): boxes and logits.
        inputs: images of shape (N, C, H, W), in batches of 100.

    Example:
        >>> detect(nn.Identity(), torch.tensor([[[0.0, 0.0, 4.0, 4.0, 20.0]]])).kept
        tensor([[True]])
    """
    parts = [select(model(images)) for images in torch.split(inputs, _CHUNK)]
    return Detections(*(torch.cat(fields) for fields in zip(*parts, strict=True)))


def _loss(model: nn.Module, inputs: Tensor, labels: Tensor) -> Tensor:
    return detection_loss(model(inputs), labels, centres(inputs.shape[2], inputs.shape[3], inputs.device))


def _error(model: nn.Module, subset: Subset) -> float:
    return round(100 * (1 - average_precision(detect(model, subset.inputs), subset.labels).ap), 4)


def _details(model: nn.Module, subset: Subset) -> Mapping[str, Any]:
    found = detect(model, subset.inputs)
    precision = average_precision(found, subset.labels)
    shown = []
    for image in range(min(_SHOWN, len(subset.labels))):
        best = (found.kept[image] & (found.scores[image] >= _SHOWN_SCORE)).nonzero()[:_SHOWN_BOXES, 0]
        _, height, width = subset.inputs[image].shape
        shown.append(
            {
                "size": [width, height],
                "jpeg": encode(subset.inputs[image], "JPEG"),
                "true": [[int(kind), *box] for kind, *box in subset.labels[image].tolist() if kind >= 0],
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
    """Return the objective of a detector: `detection_loss`, and the distance from a perfect average precision.

    The error is 100 (1 - mAP), with COCO's mAP over the IoU thresholds 0.50 to 0.95. The details of the test:
    ``ap50`` and ``ap75`` in percent, and ``scenes``: for the first 4 test images their ``size`` as (width,
    height), a small ``jpeg`` as base64, the true boxes as (class, left, top, right, bottom) and detections as
    (class, score, left, top, right, bottom), at most 10 with a score of at least 0.3.

    Args:
        smallest_effect: smallest effect size of interest, in points of mAP.

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
