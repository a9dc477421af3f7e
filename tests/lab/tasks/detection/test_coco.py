"""Folders in COCO's format, as annotation tools export them: read, scaled, split, and refused with a reason."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from localnorm.errors import DataError, UnknownNameError
from localnorm.lab.norms import find_norm
from localnorm.lab.records.record import Trial
from localnorm.lab.tasks import error, find_task
from localnorm.lab.tasks.detection.coco import coco_folder, coco_task
from localnorm.lab.training.trial import run_trial

pytestmark = pytest.mark.usefixtures("one_thread")

CATEGORIES = [{"id": 7, "name": "dog", "supercategory": "animal"}, {"id": 3, "name": "cat"}]
Content = dict[str, Any]


def _write(folder: Path, count: int, first: int = 0, change: Callable[[Content], object] = len) -> Path:
    """Write images of 40x20 pixels, each with a white cat and, in every other one, a grey dog."""
    (folder / "images").mkdir(parents=True)
    content: Content = {"info": {"year": 2024}, "licenses": [], "images": [], "annotations": []}
    content["categories"] = [dict(kind) for kind in CATEGORIES]
    for i in range(first, first + count):
        pixels = np.zeros((20, 40, 3), dtype=np.uint8)
        pixels[5:15, 10:30] = 255
        pixels[:10, 30:] = 128 * (i % 2)
        pixels[16:, :8] = i
        name = f"{i:012}.png"
        Image.fromarray(pixels).save(folder / "images" / name)
        content["images"].append({"id": 100 + i, "file_name": name, "width": 40, "height": 20, "license": 1})
        boxes = [(3, [10, 5, 20, 10])] + [(7, [30.5, 0, 20, 10.0])] * (i % 2)
        for kind, box in boxes:
            content["annotations"].append(
                {
                    "id": len(content["annotations"]) + 1,
                    "image_id": 100 + i,
                    "category_id": kind,
                    "bbox": box,
                    "area": box[2] * box[3],
                    "segmentation": [],
                    "iscrowd": 0,
                }
            )
    change(content)
    (folder / "annotations.json").write_text(json.dumps(content), encoding="utf-8")
    return folder


def test_images_are_resized_and_boxes_with_them(tmp_path: Path):
    split = coco_folder(_write(tmp_path, 10), side=32)
    assert [len(part.labels) for part in (split.train, split.validation, split.test)] == [6, 2, 2]
    part = split.train
    assert part.inputs.shape == (6, 3, 32, 32)
    assert part.inputs.dtype == part.labels.dtype == torch.float32
    # 40x20 pixels become 32x32: x times 0.8, y times 1.6.
    cat, dog = torch.tensor([0, 8.0, 8, 24, 24]), torch.tensor([1, 24.4, 0, 32, 16])
    for image, rows in zip(part.inputs, part.labels, strict=True):
        torch.testing.assert_close(rows[0], cat)
        assert image[:, 10:22, 10:22].min() == 1
        assert image[:, 28:, 28:].max() == 0
        if len(rows) > 1 and rows[1, 0] >= 0:
            # The dog stands over the right border, and is cut there.
            torch.testing.assert_close(rows[1], dog)
    assert coco_folder(tmp_path, side=32, channels=1).train.inputs.shape == (6, 1, 32, 32)


def test_a_folder_is_split_by_the_seed(tmp_path: Path):
    _write(tmp_path, 25)

    def images(seed: int) -> list[list[bytes]]:
        split = coco_folder(tmp_path, seed, side=20)
        return [[x.numpy().tobytes() for x in p.inputs] for p in (split.train, split.validation, split.test)]

    first = images(0)
    assert [len(part) for part in first] == [15, 5, 5]
    assert len({image for part in first for image in part}) == 25, "an image is in two parts"
    assert images(0) == first
    assert images(1) != first


def test_a_folder_that_is_split_stays_so(tmp_path: Path):
    for first, (name, count) in enumerate({"train": 3, "val": 2, "test": 1}.items()):
        _write(tmp_path / name, count, 10 * first)
    first, second = coco_folder(tmp_path, 0), coco_folder(tmp_path, 1)
    for name, count in (("train", 3), ("validation", 2), ("test", 1)):
        assert len(getattr(first, name).labels) == count
        assert torch.equal(getattr(first, name).inputs, getattr(second, name).inputs)


def test_formats_and_images_without_boxes(tmp_path: Path):
    """JPEG, grey and palette files, crowds, negatives and a category that is never shown."""

    def change(content: Content) -> None:
        content["categories"].append({"id": 9, "name": "cow"})
        for image in content["images"][1:4]:
            old = tmp_path / "train" / "images" / image["file_name"]
            kind = {"100": "L"}.get(str(image["id"]), "P")
            image["file_name"] = f"deeper/{old.stem}.{'jpg' if image['id'] == 103 else 'gif'}"
            new = old.parent / image["file_name"]
            new.parent.mkdir(exist_ok=True)
            Image.open(old).convert("RGB" if new.suffix == ".jpg" else kind).save(new)
        for note in content["annotations"]:
            if note["image_id"] == 102:
                note["iscrowd"] = 1

    for name in ("train", "val", "test"):
        _write(
            tmp_path / name,
            5,
            change=change if name == "train" else lambda c: c["categories"].append({"id": 9, "name": "cow"}),
        )
    train = coco_folder(tmp_path).train
    assert (train.labels[:, :, 0] >= 0).sum(1).tolist() == [1, 2, 0, 2, 1]
    assert (train.inputs[:, :, 30, 30] > 0.9).all()
    task = coco_task(tmp_path, side=32)
    assert task.build(find_norm("none").builder(2))(torch.rand(1, 3, 32, 32)).shape == (1, 64, 4 + 3)
    assert "cat, dog, cow" in task.about


@pytest.mark.parametrize("folder", ["plain", "with?mark", "with?side=3&more"])
def test_a_task_is_made_again_from_its_name(folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    _write(tmp_path / folder, 10)
    monkeypatch.chdir(tmp_path)
    task = coco_task(folder, side=32, channels=1)
    assert task.name == f"coco:{tmp_path / folder}?side=32&channels=1"
    again = find_task(task.name, "detector")
    assert again.in_plain_values() == task.in_plain_values()
    assert torch.equal(again.load(3).train.inputs, task.load(3).train.inputs)
    assert find_task(f"coco:{folder}").name == f"coco:{tmp_path / folder}?side=64&channels=3"
    # 6 images to train on, of 9,000 to be seen, but no image more than 60 times.
    assert (task.schedule.epochs, task.schedule.default_learning_rate) == (60, 1e-2)
    with pytest.raises(UnknownNameError, match="coco:FOLDER must be detector, got 'small_cnn'; user-defined"):
        find_task(task.name, "small_cnn")
    record = run_trial(Trial(task.name, "detector", "batch", 0, 3e-3, 16, 1))
    assert (record.status, record.message) == ("ok", "")


def test_the_task_of_a_folder_trains(tmp_path: Path):
    task = coco_task(_write(tmp_path, 10), side=32, channels=1)
    split = task.load(0)
    torch.manual_seed(0)
    model = task.build(find_norm("batch").builder(2))
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    for _ in range(60):
        optimizer.zero_grad()
        task.objective.loss(model, split.train.inputs, split.train.labels).backward()
        optimizer.step()
    # Every image shows the same boxes, so they are learned; an untrained model finds nothing.
    assert error(task.objective, task.build(find_norm("batch").builder(2)), split.train) > 90
    assert error(task.objective, model, split.train) < 50


def _set(path: list[Any], value: object) -> Callable[[Content], None]:
    def change(content: Content) -> None:
        place: Any = content
        for name in path[:-1]:
            place = place[name]
        place[path[-1]] = value

    return change


def _remove(path: list[Any]) -> Callable[[Content], None]:
    def change(content: Content) -> None:
        place: Any = content
        for name in path[:-1]:
            place = place[name]
        del place[path[-1]]

    return change


BAD = {
    "no annotations": (_set(["annotations"], []), "must hold a list 'annotations' that is not empty"),
    "no categories": (_remove(["categories"]), "must hold a list 'categories' that is not empty"),
    "images not a list": (_set(["images"], {}), "must hold a list 'images'"),
    "unknown category": (_set(["annotations", 0, "category_id"], 5), r"one of the ids \[3, 7\], got 5 in"),
    "unknown image": (_set(["annotations", 0, "image_id"], 5), "of a listed image, got image_id 5"),
    "an id twice": (_set(["images", 1, "id"], 100), "the ids of images must differ"),
    "a category twice": (_set(["categories", 1, "id"], 7), "the ids of categories must differ"),
    "no width": (_remove(["images", 0, "width"]), "must have id, file_name, width and height.*KeyError: 'width'"),
    "three numbers": (_set(["annotations", 0, "bbox"], [1, 2, 3]), "bbox of 4 numbers.*ValueError"),
    "words": (_set(["annotations", 0, "bbox"], ["a", 2, 3, 4]), "bbox of 4 numbers.*ValueError"),
    "empty box": (
        _set(["annotations", 0, "bbox"], [1, 2, 0, 4]),
        r"must overlap its image of 40x20 .*\[1, 2, 0, 4\]",
    ),
    "outside": (_set(["annotations", 0, "bbox"], [41, 2, 5, 4]), r"must overlap its image of 40x20"),
    "nan": (_set(["annotations", 0, "bbox"], [float("nan"), 2, 5, 4]), "must overlap its image"),
    "another size": (_set(["images", 0, "width"], 41), "in annotations.json, 41x20, got 40x20"),
    "missing image": (_set(["images", 0, "file_name"], "x.png"), "must be there, got no .*x.png"),
    "no box in a part": (
        lambda c: c.update(annotations=[n for n in c["annotations"] if n["image_id"] == 100]),
        "must have at least one box, got none",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_annotations_are_refused(name: str, tmp_path: Path):
    change, message = BAD[name]
    _write(tmp_path, 10, change=change)
    with pytest.raises(DataError, match=message):
        coco_folder(tmp_path)


@pytest.mark.parametrize("kept", [0, 10, 60])
def test_a_truncated_image_is_refused(kept: int, tmp_path: Path):
    _write(tmp_path, 5)
    path = tmp_path / "images" / "000000000003.png"
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(DataError, match=r"must be readable, got .*000000000003\.png; copy it again"):
        coco_folder(tmp_path)


def test_an_image_of_16_bits_is_refused(tmp_path: Path):
    _write(tmp_path, 5)
    path = tmp_path / "images" / "000000000003.png"
    Image.fromarray(np.full((20, 40), 40000, dtype=np.uint16)).save(path)
    with pytest.raises(DataError, match=r"must have 8 bits per channel, got mode I;16 in .*3\.png"):
        coco_folder(tmp_path)


def test_missing_and_broken_files_are_refused(tmp_path: Path):
    with pytest.raises(DataError, match=r"must hold images/ and annotations.json, .* got no .*annotations.json"):
        coco_folder(tmp_path)
    (tmp_path / "annotations.json").write_text("{", encoding="utf-8")
    with pytest.raises(DataError, match="must be JSON"):
        coco_folder(tmp_path)
    (tmp_path / "annotations.json").write_text("[]", encoding="utf-8")
    with pytest.raises(DataError, match="must hold a list 'images'"):
        coco_task(tmp_path)
    _write(tmp_path / "train", 2)
    with pytest.raises(DataError, match=r"got no .*val.annotations.json"):
        coco_folder(tmp_path)
    _write(tmp_path / "val", 2, change=_set(["categories", 0, "name"], "wolf"))
    _write(tmp_path / "test", 2)
    with pytest.raises(DataError, match=r"the same categories, got .*wolf.* in val/"):
        coco_folder(tmp_path)


@pytest.mark.parametrize(("wrong", "message"), [({"channels": 2}, "1 for grey or 3"), ({"side": 0}, "at least 1")])
def test_shapes_that_make_no_sense_are_refused(wrong: dict[str, int], message: str, tmp_path: Path):
    for make in (coco_folder, coco_task):
        with pytest.raises(DataError, match=message):
            make(_write(tmp_path / make.__name__, 5), **wrong)
