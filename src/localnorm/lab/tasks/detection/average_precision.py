"""COCO's average precision, computed by faster-coco-eval."""

from __future__ import annotations

from typing import Any, NamedTuple

from faster_coco_eval import COCO, COCOeval_faster
from torch import Tensor

from localnorm.errors import DataError
from localnorm.lab.tasks.detection.boxes import Detections


class AveragePrecision(NamedTuple):
    """Average precision over the classes, 0 to 1.

    Attributes:
        ap: the mean over the IoU thresholds 0.50, 0.55, ..., 0.95: COCO's primary measure, mAP.
        ap50: at the threshold 0.50.
        ap75: at the threshold 0.75.
    """

    ap: float
    ap50: float
    ap75: float


def _coco(box: list[float]) -> list[float]:
    """Return (left, top, width, height) of (left, top, right, bottom)."""
    left, top, right, bottom = box
    return [left, top, right - left, bottom - top]


def average_precision(found: Detections, labels: Tensor) -> AveragePrecision:
    """Return COCO's average precision of the kept boxes: 101 recalls, at most 100 boxes per image.

    Classes without a true box are ignored.

    Args:
        found: detections in N images.
        labels: shape (N, M, 5): class and box, class -1 in padding.

    Raises:
        DataError: there is no true box.

    Example:
        >>> import torch
        >>> box = torch.tensor([[[2.0, 2.0, 12.0, 12.0]]])
        >>> one = torch.ones(1, 1)
        >>> labels = torch.cat((one[..., None], box), dim=-1)
        >>> average_precision(Detections(box, one, one.long(), one.bool()), labels)
        AveragePrecision(ap=1.0, ap50=1.0, ap75=1.0)
    """
    truth: list[dict[str, Any]] = []
    for image, rows in enumerate(labels.tolist()):
        for kind, *box in rows:
            if kind >= 0:
                left, top, width, height = _coco(box)
                truth.append(
                    {
                        "id": len(truth) + 1,  # 0 means "not matched" in COCO
                        "image_id": image,
                        "category_id": int(kind),
                        "bbox": [left, top, width, height],
                        "area": width * height,
                        "iscrowd": 0,
                    }
                )
    if not truth:
        raise DataError("average precision needs at least one true box, got none; add annotated images.")
    images, _ = found.kept.nonzero(as_tuple=True)
    kept = (images, found.classes[found.kept], found.boxes[found.kept], found.scores[found.kept])
    predicted = [
        {"image_id": image, "category_id": kind, "bbox": _coco(box), "score": score}
        for image, kind, box, score in zip(*(field.tolist() for field in kept), strict=True)
    ]
    if not predicted:
        return AveragePrecision(0.0, 0.0, 0.0)
    known = COCO()
    known.dataset = {
        "images": [{"id": image} for image in range(len(labels))],
        "categories": [{"id": kind} for kind in sorted({one["category_id"] for one in truth})],
        "annotations": truth,
    }
    known.createIndex()
    evaluation = COCOeval_faster(known, known.loadRes(predicted), "bbox")
    evaluation.run()
    return AveragePrecision(*(float(value) for value in evaluation.all_stats[:3]))
