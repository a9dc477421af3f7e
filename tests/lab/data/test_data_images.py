"""Data in pictures: folders, and Hugging Face `datasets` without a network."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data_files import random_pixels, write_pictures
from localnorm.errors import DataError, MissingExtraError
from localnorm.lab.data import load_data

GRAY, COLOUR = random_pixels(4, 6), random_pixels(4, 6, 3)


def test_each_folder_is_a_class(tmp_path: Path):
    write_pictures(
        tmp_path, {"b/2.png": GRAY + 1, "b/1.PNG": GRAY, "a b/1.bmp": GRAY + 2, "train/x.png": GRAY + 3}
    )
    (tmp_path / ".hidden").mkdir()
    for name in ("read.me", "a b/Thumbs.db", "b/.1.png"):
        (tmp_path / name).write_bytes(b"no picture")
    data = load_data(str(tmp_path))
    assert (data.classes, data.train.labels.tolist()) == (("a b", "b", "train"), [0, 1, 1, 2])
    np.testing.assert_array_equal(data.train.pixels[:, 0], [GRAY + 2, GRAY, GRAY + 1, GRAY + 3])
    assert data.validation is data.test is None


@pytest.mark.parametrize("validation", ["validation", "valid", "val"])
def test_top_folders_are_parts(tmp_path: Path, validation: str):
    files = {"train/a/1.png": GRAY, "train/b/1.png": GRAY, f"{validation}/b/1.png": GRAY, "Test/a/1.png": GRAY}
    write_pictures(tmp_path, files)
    data = load_data(str(tmp_path))
    assert {name: images.labels.tolist() for name, images in data.parts.items()} == {
        "train": [0, 1],
        "validation": [1],
        "test": [0],
    }


def test_pictures_are_all_gray_or_all_coloured(tmp_path: Path):
    write_pictures(tmp_path, {"a/1.png": COLOUR, "b/1.png": GRAY})
    Image.fromarray(COLOUR).convert("RGBA").save(tmp_path / "b" / "2.png")
    Image.fromarray(COLOUR).quantize(256).save(tmp_path / "b" / "3.png")
    data = load_data(str(tmp_path))
    assert data.shape == (3, 4, 6)
    expected = COLOUR.transpose(2, 0, 1)
    np.testing.assert_array_equal(data.train.pixels[[0, 2]], [expected, expected])
    np.testing.assert_array_equal(data.train.pixels[1], [GRAY, GRAY, GRAY])


def test_a_side_resizes_all(tmp_path: Path):
    write_pictures(tmp_path, {"a/1.png": np.full((4, 6), 7, np.uint8), "b/1.png": np.full((5, 3), 9, np.uint8)})
    pixels = load_data(str(tmp_path), side=8).train.pixels
    np.testing.assert_array_equal(pixels, np.broadcast_to(np.array([7, 9])[:, None, None, None], (2, 1, 8, 8)))


def _folder(tmp_path: Path, wrong: str) -> None:
    write_pictures(tmp_path, {"a/1.png": GRAY, "b/1.png": GRAY})
    if wrong == "sizes":
        write_pictures(tmp_path, {"b/2.png": random_pixels(4, 5)})
    elif wrong == "damaged":
        (tmp_path / "b" / "1.png").write_bytes((tmp_path / "b" / "1.png").read_bytes()[:-30])
    elif wrong == "no picture":
        (tmp_path / "b" / "1.png").write_bytes(b"text")
    elif wrong == "deep":
        Image.fromarray(GRAY.astype(np.uint16)).save(tmp_path / "b" / "1.png")
    elif wrong == "empty class":
        (tmp_path / "c" / "deeper").mkdir(parents=True)
    elif wrong == "one class":
        (tmp_path / "b" / "1.png").unlink()
        (tmp_path / "b").rmdir()
    else:
        for name in ("a", "b"):
            (tmp_path / "train").mkdir(exist_ok=True)
            (tmp_path / name).rename(tmp_path / "train" / name)
        write_pictures(tmp_path, {f"{wrong}/1.png": GRAY})


WRONG = {
    "sizes": r"all images must be of one size, got 6x4 in .*a/1\.png and 5x4 in .*b/2\.png; resize them",
    "damaged": r"b/1\.png must be a whole image",
    "no picture": r"b/1\.png must be a whole image",
    "deep": r"8 bits per channel, got mode I;16 in .*b/1\.png",
    "empty class": "a class folder must hold images, got none in .*c;",
    "one class": "at least two classes in training, got only 'a'",
    "test/c": "among those of training, a, b, got .*test/c",
    "extra/a": "only validation and test, got 'extra'",
    "val/a": None,
}


@pytest.mark.parametrize("wrong", WRONG)
def test_folders_that_are_refused(tmp_path: Path, wrong: str):
    _folder(tmp_path, wrong)
    if wrong == "val/a":
        (tmp_path / "valid").mkdir()
    with pytest.raises(
        DataError, match=WRONG[wrong] or "a split must have one folder, got .*val and .*valid; join"
    ):
        load_data(str(tmp_path))


@pytest.mark.parametrize("folder", ["train", "train/a"])
def test_a_folder_of_no_pictures(tmp_path: Path, folder: str):
    (tmp_path / folder).mkdir(parents=True)
    with pytest.raises(DataError, match=f"got none in {re.escape(str(tmp_path / folder))};"):
        load_data(str(tmp_path))


@pytest.fixture
def datasets(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """The library, kept from the network and from the user's cache."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    datasets.disable_progress_bars()
    return datasets


def _made(datasets, labels: list, kind=None, **more):
    columns = {"picture": [Image.fromarray(GRAY + n) for n in range(len(labels))], "label": labels, **more}
    features = {"picture": datasets.Image(), "label": kind or datasets.ClassLabel(names=["cat", "dog"])}
    features.update({name: datasets.ClassLabel(num_classes=9) for name in more})
    return datasets.Dataset.from_dict(columns, features=datasets.Features(features))


def test_a_saved_data_set_is_read_by_its_columns_and_splits(tmp_path: Path, datasets):
    parts = {"train": _made(datasets, [1, 0, 1]), "test": _made(datasets, [0])}
    datasets.DatasetDict(parts).save_to_disk(tmp_path / "saved")
    for where in (str(tmp_path / "saved"), f"hub:{tmp_path / 'saved'}"):
        data = load_data(where)
        assert (data.classes, data.train.labels.tolist()) == (("cat", "dog"), [1, 0, 1])
        np.testing.assert_array_equal(data.train.pixels[:, 0], [GRAY, GRAY + 1, GRAY + 2])
        np.testing.assert_array_equal(data.test.pixels[:, 0], [GRAY])
        assert data.validation is None
    assert load_data(where, side=3).shape == (1, 3, 3)


def test_labels_of_other_kinds(tmp_path: Path, datasets):
    _made(datasets, ["x", "y", "x"], datasets.Value("string")).save_to_disk(tmp_path / "words")
    data = load_data(str(tmp_path / "words"))
    assert (data.classes, data.train.labels.tolist()) == (("x", "y"), [0, 1, 0])
    _made(datasets, [30, 4, 4], datasets.Value("int64")).save_to_disk(tmp_path / "numbers")
    data = load_data(str(tmp_path / "numbers"))
    assert (data.classes, data.train.labels.tolist()) == (("4", "30"), [1, 0, 0])
    _made(datasets, [0, 1], coarse=[3, 8]).save_to_disk(tmp_path / "two")
    with pytest.raises(DataError, match=r"got \['label', 'coarse'\] among picture, label, coarse .*#COLUMN"):
        load_data(str(tmp_path / "two"))
    assert load_data(f"hub:{tmp_path / 'two'}#coarse").train.labels.tolist() == [3, 8]
    with pytest.raises(DataError, match="got fine among"):
        load_data(f"hub:{tmp_path / 'two'}#fine")


def test_a_test_split_with_secret_labels_is_none(tmp_path: Path, datasets):
    parts = {"train": _made(datasets, [1, 0]), "test": _made(datasets, [-1, -1])}
    datasets.DatasetDict(parts).save_to_disk(tmp_path / "saved")
    assert load_data(str(tmp_path / "saved")).test is None
    parts["test"] = _made(datasets, [-1, 0])
    datasets.DatasetDict(parts).save_to_disk(tmp_path / "some")
    with pytest.raises(DataError, match=r"in 0\.\.1, got -1 for example 0 of column 'label'"):
        load_data(str(tmp_path / "some"))


def test_saved_data_sets_that_are_refused(tmp_path: Path, datasets):
    datasets.DatasetDict({"a": _made(datasets, [1]), "b": _made(datasets, [1])}).save_to_disk(tmp_path / "splits")
    with pytest.raises(DataError, match="a split named train, got a, b in"):
        load_data(str(tmp_path / "splits"))
    _made(datasets, [1, 0]).remove_columns("picture").save_to_disk(tmp_path / "blind")
    with pytest.raises(DataError, match=r"one column of images, got 0 among \{'label': 'ClassLabel'\}"):
        load_data(str(tmp_path / "blind"))
    _made(datasets, [1, None]).save_to_disk(tmp_path / "none")
    with pytest.raises(DataError, match="every image must have a label, got None for example 1"):
        load_data(str(tmp_path / "none"))
    with pytest.raises(
        DataError, match=r"can load, got 'no-such-owner/nothing': .*check the name, and the connection"
    ):
        load_data("hub:no-such-owner/nothing")


@pytest.mark.usefixtures("datasets")
def test_a_folder_that_datasets_can_load(tmp_path: Path):
    write_pictures(tmp_path / "set", {"train/a/1.png": GRAY, "train/b/1.png": GRAY + 1, "test/b/1.png": GRAY + 2})
    data, own = load_data(f"hub:{tmp_path / 'set'}"), load_data(str(tmp_path / "set"))
    assert data.classes == own.classes
    for part, images in own.parts.items():
        np.testing.assert_array_equal(data.parts[part].pixels, images.pixels)
        np.testing.assert_array_equal(data.parts[part].labels, images.labels)


def test_the_hub_without_its_extra(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingExtraError, match=r"got 'mnist': pip install 'localnorm\[datasets\]'"):
        load_data("hub:mnist")
