"""Face recognition: views, verification by hand, splits by identity, and people in folders."""

from __future__ import annotations

import math
import socket
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from skimage.data import lfw_subset
from torch import nn

from data_files import write_pictures
from localnorm.errors import DataError
from localnorm.lab.records.record import Trial
from localnorm.lab.tasks import Subset, error, find_task, lfw_task
from localnorm.lab.tasks.faces import augment, faces, objective
from localnorm.lab.tasks.faces.objective import VERIFICATION, Embedding
from localnorm.lab.training.trial import run_trial

pytestmark = pytest.mark.usefixtures("one_thread")

RANGES = ("BRIGHTNESS", "CONTRAST", "GAMMA", "NOISE", "TURN", "SHIFT", "SCALE")
TRIAL = Trial("faces", "small_cnn", "none", 0, 1e-3, 32, 1, judged=True)


def _only(monkeypatch: pytest.MonkeyPatch, *kept: str) -> None:
    for name in set(RANGES) - set(kept):
        monkeypatch.setattr(augment, name, 0.0)


def _views(image: torch.Tensor, count: int = 50) -> torch.Tensor:
    return augment.views(image[None, None], count, torch.Generator().manual_seed(0))[:, 0]


def test_without_any_change_a_view_is_the_picture(monkeypatch: pytest.MonkeyPatch):
    _only(monkeypatch)
    images = torch.rand(3, 2, 7, 5, generator=torch.Generator().manual_seed(0))
    seen = augment.views(images, 2, torch.Generator())
    # Interpolated at the pixels themselves, whose places are known to a rounding error of the side.
    torch.testing.assert_close(seen, images.repeat_interleave(2, 0), rtol=0, atol=1e-5)


def test_changes_of_light_stay_in_their_ranges(monkeypatch: pytest.MonkeyPatch):
    image = torch.tensor([[0.4, 0.6], [0.5, 0.5]])
    limits = {
        "BRIGHTNESS": (0.4 - 0.15, 0.4 + 0.15),
        "CONTRAST": (0.5 - 1.4 * 0.1, 0.5 - 0.6 * 0.1),
        "GAMMA": (0.4 ** math.sqrt(2), 0.4 ** math.sqrt(0.5)),
        # Five standard deviations.
        "NOISE": (0.4 - 5 * 0.05, 0.4 + 5 * 0.05),
    }
    for name, (low, high) in limits.items():
        with monkeypatch.context() as patch:
            _only(patch, name)
            corner = _views(image)[:, 0, 0]
        assert low <= corner.min() < corner.max() <= high
        # 50 uniform draws fill most of their range; Gaussian noise is rarely so far out.
        assert corner.max() - corner.min() > (0.3 if name == "NOISE" else 0.8) * (high - low)


def _centre(seen: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Return where the light is, right and down of the middle of the picture, in pixels."""
    places = torch.arange(seen.shape[-1]) - (seen.shape[-1] - 1) / 2
    total = seen.sum((1, 2))
    return ((seen.sum(1) @ places) / total).numpy(), ((seen.sum(2) @ places) / total).numpy()


def test_changes_of_pose_stay_in_their_ranges(monkeypatch: pytest.MonkeyPatch):
    image = torch.zeros(41, 41)
    image[19:22, 31:34] = 1  # 12 pixels right of the middle
    found = {}
    for name in ("TURN", "SHIFT", "SCALE"):
        with monkeypatch.context() as patch:
            _only(patch, name)
            found[name] = _centre(_views(image))
    # A square of 3x3 is found to well within half a pixel.
    right, down = found["TURN"]
    np.testing.assert_allclose(np.hypot(right, down), 12, atol=0.5)
    degrees = np.degrees(np.arctan2(down, right))
    assert -16 < degrees.min() < -12
    assert 12 < degrees.max() < 16
    right, down = found["SHIFT"]
    assert max(abs(right - 12).max(), abs(down).max()) < 0.12 * 41 + 0.1
    assert min(np.ptp(right), np.ptp(down)) > 0.2 * 41 * 0.8
    right, down = found["SCALE"]
    np.testing.assert_allclose(down, 0, atol=0.01)
    assert 12 / 1.15 - 0.1 < right.min() < 11 < 13.2 < right.max() < 12 / 0.85 + 0.1


def _at(*degrees: float) -> torch.Tensor:
    angles = torch.deg2rad(torch.tensor(degrees))
    return torch.stack((angles.cos(), angles.sin()), 1)


def test_verification_by_hand():
    # Angles within an identity: 30 and 80. Across: 20, 100, 10 and 70. The pair at 30 looks more alike than those
    # at 100 and 70, the pair at 80 than that at 100: 3 of 8, so the area is 0.375.
    part = Subset(_at(0, 30, 20, 100), torch.tensor([7, 7, 9, 9]))
    assert error(VERIFICATION, nn.Identity(), part) == 62.5
    # The gallery is at 0 and 20. Both probes, at 30 and at 100, are nearer to 20, which is right for one.
    assert VERIFICATION.details(nn.Identity(), part) == {"rank_1": 50.0}
    assert error(VERIFICATION, nn.Identity(), Subset(_at(0, 1, 90, 91), part.labels)) == 0


def test_no_more_pairs_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(objective, "COMPARED", 4)
    part = Subset(_at(0, 30, 20, 100, 0, 180), torch.tensor([7, 7, 9, 9, 11, 11]))
    assert error(VERIFICATION, nn.Identity(), part) == 62.5
    assert VERIFICATION.details(nn.Identity(), part) == {"rank_1": 50.0}


def test_the_loss_lowers_the_right_cosine_by_the_margin():
    model = Embedding(nn.Identity(), 2, 2)
    with torch.no_grad():
        model.centres.copy_(torch.tensor([[5.0, 0.0], [0.0, 0.2]]))
    # Lengths count for nothing: cosines 1 and 0, scores 16 * (1 - 0.1) and 0, or 16 and -1.6; in float32, where
    # 1 + exp(-14.4) is rounded to 1e-7.
    losses = [VERIFICATION.loss(model, torch.tensor([[3.0, 0.0]]), torch.tensor([k])).item() for k in (0, 1)]
    assert losses == pytest.approx([math.log1p(math.exp(-14.4)), math.log1p(math.exp(17.6))], abs=1e-6)


def test_no_face_is_in_two_parts(monkeypatch: pytest.MonkeyPatch):
    _only(monkeypatch)
    split = find_task("faces").load(0)
    parts = {50: (split.train, 20), 20: (split.validation, 10), 30: (split.test, 10)}
    seen = []
    for count, (part, each) in parts.items():
        assert part.inputs.shape == (count * each, 1, 25, 25)
        pictures = part.inputs.view(count, each, -1)
        torch.testing.assert_close(pictures, pictures[:, :1].expand_as(pictures), rtol=0, atol=0)
        assert torch.equal(part.labels.view(count, each)[:, 0].unique(), part.labels.unique())
        seen.append(pictures[:, 0])
    assert torch.cat([part.labels.unique() for part, _ in parts.values()]).tolist() == list(range(100))
    crops = lfw_subset()[:100].reshape(100, -1)
    distances = torch.cdist(torch.cat(seen).double(), torch.from_numpy(crops))
    assert sorted(distances.argmin(1).tolist()) == list(range(100))
    # The rounding of interpolated pixels, against faces that differ by far more.
    assert distances.min(1).values.max() < 1e-3


def test_faces_are_loaded_without_a_network(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(socket, "socket", None)
    faces._crops.cache_clear()
    first, again, other = (find_task("faces").load(seed).test.inputs for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert (first.min() >= 0) & (first.max() <= 1)


def test_faces_are_paired_by_seed(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(faces, "VIEWS", 4)
    none, placebo = (run_trial(replace(TRIAL, norm=norm)) for norm in ("none", "user_norms:placebo"))
    assert (none.status, none.message) == ("ok", "")
    assert placebo.results == none.results


def test_faces_are_learned():
    learned = run_trial(replace(TRIAL, norm="batch", epochs=2)).results
    # An untrained network gets about 40 on the same pictures, a coin 50; one view in 30 is found by chance.
    assert learned["test_error"] < 20
    assert learned["rank_1"] > 25


def test_a_model_of_ones_own_learns_faces():
    model = find_task("faces", "user_models:timm_style").build(nn.Identity)
    assert sum(p.numel() for p in model.parameters()) == 9 * 8 + 9 * 64 + 8 + (8 + 1) * 64 + 50 * 64
    assert model(find_task("faces").load(0).test.inputs[:3]).norm(dim=1).tolist() == pytest.approx([1, 1, 1])


def _people(folder: Path, *counts: int) -> None:
    """Write pictures of 20x30 pixels, all of one gray for each person."""
    for person, count in enumerate(counts):
        name = f"Person_{person:02}"
        for n in range(count):
            gray = np.full((20, 30), 10 + person, np.uint8)
            write_pictures(folder / name, {f"{name}_{n + 1:04}.png": gray})


@pytest.mark.parametrize("below", [".", "lfw"])
def test_people_are_split_by_person(tmp_path: Path, below: str):
    counts = [2, 3, 2, 4, 2, 1, 2, 3, 2, 2, 2]
    _people(tmp_path / below, *counts)
    task = lfw_task(str(tmp_path))
    split = task.load(0)
    people = []
    for part in (split.train, split.validation, split.test):
        assert part.inputs.shape[1:] == (1, 32, 32)
        person = (255 * part.inputs[:, 0, 0, 0]).round().int() - 10
        shown = {label: person[part.labels == label].tolist() for label in part.labels.unique().tolist()}
        # Each label is one person with all pictures.
        assert all(len(set(pictures)) == 1 and len(pictures) == counts[pictures[0]] for pictures in shown.values())
        people.append([pictures[0] for pictures in shown.values()])
    assert [len(some) for some in people] == [6, 2, 2]
    assert sorted(person for some in people for person in some) == [0, 1, 2, 3, 4, 6, 7, 8, 9, 10]
    assert split.train.labels.unique().tolist() == list(range(6))
    assert "24 photographs of 10 people" in task.about
    assert find_task(task.name).load(1).test.labels.tolist()
    assert run_trial(replace(TRIAL, task=task.name)).status == "ok"


def test_pictures_of_lfws_own_size_are_cut_to_the_face(tmp_path: Path):
    _people(tmp_path, *[2] * 9)
    framed = np.zeros((250, 250, 3), np.uint8)
    framed[62:188, 62:188] = 255
    write_pictures(tmp_path / "Framed", {"Framed_0001.png": framed, "Framed_0002.png": framed[:, :249]})
    split = lfw_task(str(tmp_path)).load(0)
    pictures = torch.cat([part.inputs for part in (split.train, split.validation, split.test)])
    assert pictures.shape[1] == 3
    # Every person is darker than 1/4, so these are the picture without its frame and the one that kept it.
    bright = pictures[pictures.mean((1, 2, 3)) > 0.2].mean((1, 2, 3))
    assert bright.max() == 1
    assert bright.min() == pytest.approx(126**2 / (250 * 249), abs=0.01)


def test_folders_that_hold_too_few_people(tmp_path: Path):
    with pytest.raises(DataError, match=r"in a folder that exists, got .*nowhere"):
        lfw_task(str(tmp_path / "nowhere"))
    _people(tmp_path, 2, 1, 1)
    with pytest.raises(DataError, match="got 1 such people among 3 folders in"):
        lfw_task(str(tmp_path))
    _people(tmp_path, *[2] * 9)
    with pytest.raises(DataError, match="at least 10 people with two images each, got 9 in"):
        find_task(f"lfw:{tmp_path}")
