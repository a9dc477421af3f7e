"""Detection: boxes, average precision, the loss and the model, by hand."""

from __future__ import annotations

import base64
import io
import json
import math

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from localnorm.errors import DataError
from localnorm.lab.models.detector import Detector, centres
from localnorm.lab.norms import NORMS, find_norm
from localnorm.lab.tasks import Subset, error
from localnorm.lab.tasks.detection import objective as detection_file
from localnorm.lab.tasks.detection.average_precision import average_precision
from localnorm.lab.tasks.detection.boxes import CANDIDATES, Detections, area, giou, iou, select
from localnorm.lab.tasks.detection.objective import assign, detect, detection, detection_loss

pytestmark = pytest.mark.usefixtures("one_thread")

PADDING = [-1.0, 0.0, 0.0, 0.0, 0.0]
SURE = 20.0  # A logit whose score is 1 to eight decimals.


def _said(*found: tuple[int, float, list[float]], classes: int = 2) -> Tensor:
    """Return a detector's output for one image: class, logit and box of each cell."""
    said = torch.full((1, len(found), 4 + classes), -SURE)
    for cell, (kind, logit, box) in enumerate(found):
        said[0, cell, :4] = torch.tensor(box)
        said[0, cell, 4 + kind] = logit
    return said


def _error(said: Tensor, labels: Tensor) -> float:
    return error(detection(), nn.Identity(), Subset(said, labels))


def _random_labels(n: int) -> Tensor:
    rng = torch.Generator().manual_seed(0)
    corner = 40 * torch.rand(n, 5, 2, generator=rng)
    boxes = torch.cat((corner, corner + 8 + 16 * torch.rand(n, 5, 2, generator=rng)), dim=-1)
    labels = torch.cat((torch.randint(3, (n, 5, 1), generator=rng), boxes), dim=-1)
    labels[:, 3:] = torch.tensor(PADDING)
    return labels


def test_overlap_by_hand():
    box = torch.tensor([0.0, 0.0, 4.0, 4.0])
    others = torch.tensor(
        [[0, 0, 4, 4], [2, 0, 6, 4], [1, 1, 3, 3], [4, 0, 8, 4], [6, 0, 8, 4], [1, 1, 1, 9]]
    ).float()
    assert area(others).tolist() == [16, 16, 4, 16, 8, 0]
    torch.testing.assert_close(iou(box, others), torch.tensor([1, 8 / 24, 4 / 16, 0, 0, 0]))
    # Minus the share of the hull that is empty: 8 of the 32 square pixels for the fifth, 20 of 36 for the last.
    torch.testing.assert_close(giou(box, others), torch.tensor([1, 8 / 24, 4 / 16, 0, -8 / 32, -20 / 36]))
    nothing = torch.zeros(4)
    assert iou(nothing, nothing) == 0
    assert giou(nothing, nothing) == 0


def _suppressed(said: Tensor, least: float, most: float) -> list[tuple[float, int, list[float]]]:
    """Non-maximum suppression as it is told: take the best that is left, drop what repeats it."""
    left = [
        (score.item(), kind, cell[:4])
        for cell in said
        for kind, score in enumerate(cell[4:].sigmoid())
        if score >= least
    ]
    left.sort(key=lambda one: -one[0])
    kept = []
    while left:
        best, *left = left
        kept.append(best)
        left = [one for one in left if one[1] != best[1] or iou(one[2], best[2]) <= most]
    return [(score, kind, box.tolist()) for score, kind, box in kept]


def test_selection_keeps_the_best_of_each_class():
    rng = torch.Generator().manual_seed(0)
    corner = 20 * torch.rand(6, 40, 2, generator=rng)
    boxes = torch.cat((corner, corner + 8 + 8 * torch.rand(6, 40, 2, generator=rng)), dim=-1)
    said = torch.cat((boxes, 2 * torch.randn(6, 40, 2, generator=rng)), dim=-1)
    found = select(said, least_score=0.3, most_overlap=0.4)
    assert found.kept.sum() < (said[..., 4:].sigmoid() >= 0.3).sum(), "nothing was suppressed"
    for image in range(6):
        kept = found.kept[image]
        got = zip(
            found.scores[image, kept].tolist(),
            found.classes[image, kept].tolist(),
            found.boxes[image, kept].tolist(),
            strict=True,
        )
        assert list(got) == _suppressed(said[image], 0.3, 0.4)


def test_selection_looks_at_no_more_boxes_than_coco():
    said = torch.zeros(1, 150, 5)
    said[0, :, 0] = 100 * torch.arange(150.0)
    said[0, :, 2] = said[0, :, 0] + 9
    said[0, :, 3] = 9
    found = select(said)
    assert found.kept.sum() == CANDIDATES
    # Equal scores: the first cells, in their order.
    assert torch.equal(found.boxes[0], said[0, :CANDIDATES, :4])


def test_average_precision_by_hand():
    box, far = [10.0, 10.0, 110.0, 110.0], [300.0, 10.0, 400.0, 110.0]
    one, two = torch.tensor([[[0.0, *box]]]), torch.tensor([[[0.0, *box], [0.0, *far]]])
    assert _error(_said((0, SURE, box)), one) == 0
    assert _error(_said((0, -SURE, box)), one) == 100, "nothing is found"
    assert _error(_said((1, SURE, box)), one) == 100, "another class"
    assert _error(_said((0, SURE, far)), one) == 100, "another place"
    # IoU 0.87 counts at 0.50, 0.55, ..., 0.85: 8 of 10 thresholds.
    assert _error(_said((0, SURE, [10.0, 10.0, 110.0, 97.0])), one) == 20
    # A better score on nothing: the precision is 1/2 at every recall.
    assert _error(_said((0, 2.0, far), (0, 1.0, box)), one) == 50
    # A worse one costs nothing.
    assert _error(_said((0, 1.0, far), (0, 2.0, box)), one) == 0
    # One of two: precision 1 at the recalls 0, 0.01, ..., 0.50, which are 51 of 101.
    assert _error(_said((0, SURE, box)), two) == round(100 * (1 - 51 / 101), 4)
    # The mean over the classes that are there, found and not found.
    both = torch.tensor([[[0.0, *box], [1.0, *far]]])
    assert _error(_said((0, SURE, box)), both) == 50


class _Says(nn.Module):
    """A detector that says the same whatever it sees."""

    def __init__(self, said: Tensor) -> None:
        super().__init__()
        self.said = said

    def forward(self, images: Tensor) -> Tensor:
        return self.said[: len(images)]


def test_a_perfect_detector_has_no_error_and_an_empty_one_has_all():
    labels = _random_labels(7)
    said = torch.full((7, 5, 7), -SURE)
    said[..., :4] = labels[..., 1:]
    empty = said.clone()
    image, cell = (labels[..., 0] >= 0).nonzero(as_tuple=True)
    said[image, cell, 4 + labels[image, cell, 0].long()] = SURE
    assert _error(said, labels) == 0
    assert _error(empty, labels) == 100
    images = torch.rand(7, 1, 48, 64, generator=torch.Generator().manual_seed(0))
    details = detection().details(_Says(said), Subset(images, labels))
    assert (details["ap50"], details["ap75"]) == (100, 100)
    assert [len(scene["found"]) for scene in details["scenes"]] == [3] * 4
    for scene in details["scenes"]:
        found = sorted([kind, *box] for kind, _, *box in scene["found"])
        assert found == sorted([kind, *(round(edge, 1) for edge in box)] for kind, *box in scene["true"])
    assert json.loads(json.dumps(details)) == details
    for scene, image in zip(details["scenes"], images[:, 0], strict=False):
        assert scene["size"] == [64, 48]
        with Image.open(io.BytesIO(base64.b64decode(scene["jpeg"]))) as picture:
            shown = torch.from_numpy(np.asarray(picture).copy()) / 255
        # White noise is what a JPEG keeps least of: the coarse pattern must be there.
        assert torch.corrcoef(torch.stack((shown.flatten(), image.flatten())))[0, 1] > 0.8
    none = detection().details(_Says(empty), Subset(images, labels))
    assert (none["ap50"], none["ap75"], [scene["found"] for scene in none["scenes"]]) == (0, 0, [[]] * 4)


def test_average_precision_needs_something_to_find(capfd: pytest.CaptureFixture[str]):
    labels = torch.tensor([[PADDING]])
    with pytest.raises(DataError, match="needs at least one true box, got none"):
        _error(_said((0, SURE, [0.0, 0.0, 9.0, 9.0])), labels)
    nothing = Detections(
        *(torch.zeros(1, 0, *more) for more in ((4,), (), ())), torch.zeros(1, 0, dtype=torch.bool)
    )
    assert average_precision(nothing, _random_labels(1)) == (0, 0, 0)
    _error(_said((0, SURE, [0.0, 0.0, 9.0, 9.0])), _random_labels(1))
    assert capfd.readouterr() == ("", "")


def test_cells_are_taught_the_smallest_box_that_is_near():
    # 5 x 5 cells with centres at 2, 6, 10, 14, 18.
    labels = torch.tensor([[[0, 0, 0, 20, 20], [1, 9, 9, 13, 13], [-1, 0, 0, 20, 20], [0, 3, 3, 5, 5]]]).float()
    taught = assign(labels, centres(20, 20)).view(5, 5)
    # The large box's centre is at 10, 10: 1.5 strides of 4 pixels reach the three cells in the middle of
    # each axis; the small box holds one of them, and the last holds none.
    expected = torch.full((5, 5), -1)
    expected[1:4, 1:4] = 0
    expected[2, 2] = 1
    assert torch.equal(taught, expected)


def test_loss_by_hand():
    # Two cells: one is taught a box of which it covers half, the other is background.
    said = _said((0, math.log(3), [0.0, 0.0, 4.0, 2.0]), (0, 0.0, [4.0, 0.0, 8.0, 4.0]), classes=1)
    labels = torch.tensor([[[0.0, 0.0, 0.0, 4.0, 4.0]]])
    taught = 0.25**2 * (-0.5 * math.log(0.75) - 0.5 * math.log(0.25))
    background = 0.5**2 * math.log(2)
    box = 2 * (1 - 0.5)
    torch.testing.assert_close(
        detection_loss(said, labels, centres(4, 8)), torch.tensor(taught + background + box)
    )
    # Over the number of taught cells: two such images have the loss of one.
    twice = detection_loss(said.expand(2, -1, -1), labels.expand(2, -1, -1), centres(4, 8))
    torch.testing.assert_close(twice, torch.tensor(taught + background + box))


def test_padding_counts_for_nothing():
    labels = _random_labels(4)
    said = Detector(nn.BatchNorm2d, classes=3)(
        torch.rand(4, 1, 64, 64, generator=torch.Generator().manual_seed(1))
    )
    loss = detection_loss(said, labels, centres(64, 64))
    dirty = torch.cat((labels, torch.tensor([[[-1.0, 0.0, 0.0, 64.0, 64.0]]]).expand(4, 2, 5)), dim=1)
    torch.testing.assert_close(detection_loss(said, dirty, centres(64, 64)), loss, rtol=0, atol=0)
    assert torch.equal(
        assign(labels[:, [4, 2, 1, 0, 3]], centres(64, 64)) == -1, assign(labels, centres(64, 64)) == -1
    )


def test_scenes_without_a_box_teach_the_scores_alone():
    model = Detector(nn.BatchNorm2d)
    loss = detection().loss(model, torch.rand(2, 1, 16, 16), torch.tensor([[PADDING]] * 2))
    loss.backward()
    assert loss > 0
    assert not model.head.weight.grad[:4].any()
    assert model.head.weight.grad[4:].any()
    assert all(p.grad.isfinite().all() for p in model.parameters())


def test_decoding_by_hand():
    model = Detector(find_norm("none").builder(2), classes=2)
    with torch.no_grad():
        model.head.weight.zero_()
        model.head.bias[:4] = torch.tensor([1.0, 2.0, 3.0, 50.0]).log()
    said = model(torch.rand(1, 1, 8, 12))
    assert centres(8, 12).tolist() == [[2, 2], [6, 2], [10, 2], [2, 6], [6, 6], [10, 6]]
    assert said.shape == (1, 6, 6)
    # The cell in the second row and column stands at 6, 6; distances are multiples of 4 pixels.
    torch.testing.assert_close(said[0, 4, :4], torch.tensor([6 - 4.0, 6 - 8.0, 6 + 12.0, 6 + 200.0]))
    torch.testing.assert_close(said[..., 4:].sigmoid(), torch.full((1, 6, 2), 0.01))
    with torch.no_grad():
        model.head.bias[:4] = 1000
    assert model(torch.rand(1, 1, 8, 8)).isfinite().all()


@pytest.mark.parametrize("norm", NORMS)
def test_the_detector_takes_every_norm(norm: str):
    torch.manual_seed(0)
    model = Detector(find_norm(norm).builder(2), channels=3, classes=4)
    torch.manual_seed(0)
    plain = Detector(find_norm("none").builder(2), channels=3, classes=4)
    assert model(torch.rand(2, 3, 18, 14)).shape == (2, 5 * 4, 8)
    # One seed gives every norm the same convolutions.
    convolutions = [[m.weight for m in x.modules() if isinstance(m, nn.Conv2d)] for x in (model, plain)]
    assert len(convolutions[0]) == 5
    assert all(torch.equal(a, b) for a, b in zip(*convolutions, strict=True))


def test_parameters_of_the_detector():
    count = sum(p.numel() for p in Detector(nn.BatchNorm2d).parameters())
    convolutions = (1 * 9 + 1) * 32 + (32 * 9 + 1) * 64 + 2 * (64 * 9 + 1) * 64 + (64 + 1) * 14
    assert count == convolutions + 2 * (32 + 3 * 64)


def test_what_is_found_in_an_image_is_independent_of_the_others(monkeypatch: pytest.MonkeyPatch):
    torch.manual_seed(0)
    model = Detector(find_norm("group").builder(2)).eval()
    images = torch.rand(5, 1, 32, 32)
    with torch.no_grad():
        model.head.weight *= 5  # so that the scores differ
        together = detect(model, images)
        alone = [detect(model, image[None]) for image in images]
        monkeypatch.setattr(detection_file, "_CHUNK", 2)
        in_chunks = detect(model, images)
    for i, one in enumerate(alone):
        # Convolutions may sum in another order for another batch; nothing else may differ.
        torch.testing.assert_close(together.scores[i], one.scores[0], rtol=1e-4, atol=1e-6)
        assert together.kept[i].sum() == one.kept[0].sum() > 0
    torch.testing.assert_close(in_chunks.scores, together.scores, rtol=1e-4, atol=1e-6)
    assert in_chunks.kept.shape == together.kept.shape


def test_a_cell_sees_31_pixels():
    model = Detector(find_norm("none").builder(2)).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.abs_()  # so that no relu hides a pixel
    image = torch.ones(1, 1, 64, 64, dtype=torch.float64, requires_grad=True)
    # The cell of row and column 8 of 16 starts at pixel 32.
    model(image)[0, 8 * 16 + 8, 4:].sum().backward()
    rows, columns = image.grad[0, 0].nonzero().unbind(1)
    for seen in (rows, columns):
        assert (seen.min(), seen.max()) == (17, 47)
