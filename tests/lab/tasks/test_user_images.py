"""Tasks on data of a user's own: parts, sub-sampling, names, and training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from data_files import random_pixels, write_mnist, write_pictures
from localnorm.errors import DataError, ModelError, UnknownNameError
from localnorm.lab.records.record import Trial
from localnorm.lab.tasks import Split, Subset, data_task, find_task
from localnorm.lab.tasks.user_images import stratified_sample
from localnorm.lab.training.trial import run_trial

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize("sizes", [(100,), (3, 3), (1, 2, 50), (0, 7, 90, 13)])
@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 1.0])
def test_every_class_has_its_share_of_what_is_drawn(sizes: tuple[int, ...], share: float):
    labels = np.random.default_rng(1).permutation(np.repeat(np.arange(len(sizes)), sizes))
    size = round(share * len(labels))
    drawn = stratified_sample(labels, size, np.random.default_rng(0))
    assert len(set(drawn.tolist())) == len(drawn) == size
    counts = np.bincount(labels[drawn], minlength=len(sizes))
    # Equal distances from a random start: within one of the share, and one more for the rounding of the size.
    assert (abs(counts - np.array(sizes) * size / len(labels)) < 2).all()


def test_every_example_is_drawn_as_often():
    labels = np.repeat([0, 1], [30, 10])
    drawn = np.concatenate([stratified_sample(labels, 10, np.random.default_rng(seed)) for seed in range(400)])
    # 100 times each on average, with a standard deviation of sqrt(400 * 0.25 * 0.75) < 9.
    assert abs(np.bincount(drawn, minlength=40) - 100).max() < 45


def _numbered(count: int) -> np.ndarray:
    """Return images of 4x5 pixels, each all of its own number."""
    return np.broadcast_to(np.arange(count, dtype=np.uint8)[:, None, None], (count, 4, 5))


def _numbers(part: Subset) -> list[int]:
    return (255 * part.inputs[:, 0, 0, 0]).round().int().tolist()


def _parts(split: Split) -> tuple[Subset, Subset, Subset]:
    return split.train, split.validation, split.test


@pytest.fixture
def mnist(tmp_path: Path) -> str:
    """50 numbered images to train and 20 to test; an image's class is the last digit of its number."""
    write_mnist(tmp_path, "train", _numbered(50), [n % 10 for n in range(50)], zipped=True)
    write_mnist(tmp_path, "t10k", _numbered(20), [n % 10 for n in range(20)], zipped=True)
    return str(tmp_path)


def test_the_official_test_part_is_kept_and_validation_split_off(mnist: str):
    task = data_task(mnist)
    splits = [task.load(seed) for seed in (0, 0, 1)]
    for split in splits:
        train, validation, test = map(_numbers, _parts(split))
        assert sorted(train + validation) == list(range(50))
        # Five of each class, one in five of them: exact shares.
        assert sorted(n % 10 for n in validation) == list(range(10))
        assert test == list(range(20))
        for part in _parts(split):
            assert (part.inputs.dtype, part.labels.dtype) == (torch.float32, torch.int64)
            assert part.labels.tolist() == [n % 10 for n in _numbers(part)]
    assert torch.equal(splits[0].train.inputs, splits[1].train.inputs)
    assert _numbers(splits[0].validation) != _numbers(splits[2].validation)
    assert splits[0].test.inputs[19].unique().item() == np.float32(19) / np.float32(255)
    assert "1x4x5 in 10 classes: 40 to train, 10 to choose, 20 to test; validation split off train" in task.about


def test_examples_limit_every_part(mnist: str):
    task = data_task(mnist, examples=10)
    split, other = task.load(0), task.load(1)
    for part in _parts(split):
        assert sorted(part.labels.tolist()) == list(range(10))
    assert not set(_numbers(split.train)) & set(_numbers(split.validation))
    assert _numbers(split.test) != _numbers(other.test)
    assert "10 to test; validation split off train by the seed, one in 5 each; at most 10 per subset" in task.about
    assert len(data_task(mnist, examples=15).load(0).validation.labels) == 10
    with pytest.raises(DataError, match="at least 2 per subset, got 1"):
        data_task(mnist, examples=1)


def test_parts_of_a_folder(tmp_path: Path):
    names = [f"{'ab'[n % 2]}/{n:02}.png" for n in range(30)]
    write_pictures(tmp_path / "one", dict(zip(names, _numbered(30), strict=True)))
    train, validation, test = map(_numbers, _parts(data_task(str(tmp_path / "one")).load(0)))
    assert sorted(train + validation + test) == list(range(30))
    assert [len(part) for part in (train, validation, test)] == [18, 6, 6]
    assert all(sum(n % 2 for n in part) == len(part) // 2 for part in (train, validation, test))
    parts = [f"{'val' if n < 6 else 'train'}/{name}" for n, name in enumerate(names)]
    write_pictures(tmp_path / "two", dict(zip(parts, _numbered(30), strict=True)))
    train, validation, test = map(_numbers, _parts(data_task(str(tmp_path / "two")).load(0)))
    assert sorted(validation) == list(range(6))
    assert (len(train), len(test)) == (20, 4)


def test_a_class_too_small_to_split(tmp_path: Path):
    write_pictures(tmp_path, {f"{name}/{n}.png": random_pixels(4, 4) for name in "ab" for n in range(3)})
    assert [len(part.labels) for part in _parts(data_task(str(tmp_path)).load(0))] == [4, 1, 1]
    (tmp_path / "b" / "2.png").unlink()
    with pytest.raises(DataError, match=r"at least 3 training images, .* got b \(2\) in"):
        # Another side, because the last data set read is kept.
        data_task(str(tmp_path), side=4)


@pytest.mark.parametrize("folder", ["plain", "with?mark", "with?side=3&more"])
def test_a_task_is_made_again_from_its_name(tmp_path: Path, folder: str, monkeypatch: pytest.MonkeyPatch):
    files = {f"{name}/{n}.png": random_pixels(6, 4, seed=n) for name in "ab" for n in range(5)}
    write_pictures(tmp_path / folder, files)
    monkeypatch.chdir(tmp_path)
    for options, tail in (({}, ""), ({"examples": 2, "side": 8}, "?examples=2&side=8"), ({"side": 8}, "?side=8")):
        task = data_task(folder, **options)
        assert task.name == f"data:{tmp_path / folder}{tail}"
        again = find_task(task.name)
        assert (again.name, again.about, again.model) == (task.name, task.about, "small_cnn")
        assert torch.equal(again.load(3).train.inputs, task.load(3).train.inputs)
    assert find_task(task.name, "user_models:timm_style").model == "user_models:timm_style"


def test_tasks_and_models_that_do_not_go_together():
    with pytest.raises(
        UnknownNameError, match=r"one of digits, .*faces, .*data:FOLDER, lfw:FOLDER, coco:FOLDER, got 'mnist'"
    ):
        find_task("mnist")
    with pytest.raises(
        UnknownNameError, match="model of digit-rows must be recurrent, got 'small_cnn'; other models are"
    ):
        find_task("digit-rows", "small_cnn")
    with pytest.raises(UnknownNameError, match="data:FOLDER or data:hub:NAME, got 'data:'"):
        find_task("data:")
    with pytest.raises(ModelError, match="give width a default"):
        find_task("digits", "user_models:needs_a_width")


def test_trials_on_data_and_models_of_ones_own(tmp_path: Path):
    digits = load_digits()
    images = (digits.images * 15).astype(np.uint8)
    write_mnist(tmp_path, "train", images, digits.target.tolist(), zipped=False)
    name = data_task(str(tmp_path), examples=600).name
    learned = run_trial(Trial(name, "small_cnn", "batch", 0, 3e-3, 32, 4, judged=True))
    assert (learned.status, learned.message) == ("ok", "")
    # Nine digits in ten are wrong by guessing.
    assert learned.results["test_error"] < 20
    for task in (name, "digits"):
        own = run_trial(Trial(task, "user_models:timm_style", "local", 0, 3e-3, 128, 1))
        assert (own.status, own.results["parameters"]) == ("ok", 9 * 8 + 9 * 64 + 8 + 9 * 10)
    refused = run_trial(Trial(name, "user_models:torchvision_style", "none", 0, 3e-3, 128, 1))
    assert refused.status == "failed"
    assert refused.message.startswith("ModelError: a model must take images of shape (2, 1, 8, 8)")
