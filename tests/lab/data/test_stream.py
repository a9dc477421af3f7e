"""Images beyond memory: the same numbers as in memory, damaged files, loaders, augmentation."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from localnorm.errors import DataError, LabError
from localnorm.lab.data import load_data, stream
from localnorm.lab.data.stream import ImageStream
from localnorm.lab.records.record import Trial
from localnorm.lab.run.settings import StudySettings, make_study
from localnorm.lab.tasks import data_task
from localnorm.lab.tasks.augment import augment
from localnorm.lab.tasks.subset import StreamedSubset
from localnorm.lab.training.trial import run_trial

pytestmark = pytest.mark.usefixtures("one_thread")
COUNT = 30


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for label, name in enumerate(("dark", "light")):
        (tmp_path / name).mkdir()
        for number in range(COUNT):
            pixels = rng.integers(0, 100, (12, 12, 3)) + 120 * label
            Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / name / f"{number:02}.png")
    return tmp_path


@pytest.fixture
def no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "MOST_IN_MEMORY", 0)


def _trial(folder: Path, options: str = "") -> Trial:
    return Trial(
        f"data:{folder}{options}", "small_cnn", "batch", 0, 3e-3, 8, 2, judged=True, corrupted=True, features=True
    )


def _damage(folder: Path) -> Path:
    path = folder / "light" / "07.png"
    path.write_bytes(path.read_bytes()[:-40])
    return path


def test_a_trial_beyond_memory_has_the_results_of_one_in_memory(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_memory = run_trial(_trial(folder, "?side=8"))
    assert in_memory.status == "ok", in_memory.message
    monkeypatch.setattr(stream, "MOST_IN_MEMORY", 0)
    # Another name, so that the data are loaded anew.
    for loaders, options in ((0, "?examples=1000&side=8"), (2, "?examples=2000&side=8")):
        streamed = run_trial(_trial(folder, options), loaders=loaders)
        assert streamed.status == "ok", streamed.message
        assert streamed.results == in_memory.results


@pytest.mark.usefixtures("no_memory")
def test_large_data_are_not_read_at_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = []
    original = Image.open
    monkeypatch.setattr(Image, "open", lambda path: opened.append(path) or original(path))
    data = load_data(str(folder))
    assert isinstance(data.train.pixels, ImageStream)
    assert data.shape == (3, 12, 12)
    assert len(opened) < COUNT
    split = data_task(str(folder), examples=20).load(0)
    assert isinstance(split.train, StreamedSubset)
    assert not hasattr(split.train, "inputs")


@pytest.mark.usefixtures("no_memory")
def test_order_of_batches_does_not_depend_on_the_number_of_loaders(folder: Path) -> None:
    train = data_task(str(folder)).load(3).train
    places = torch.split(torch.randperm(len(train), generator=torch.Generator().manual_seed(5)), 7)
    state = torch.get_rng_state()
    here, ahead = (list(train.with_loaders(n).batches(places)) for n in (0, 2))
    assert torch.equal(torch.get_rng_state(), state)  # a model's random numbers stay the same
    for one, other, batch in zip(here, ahead, places, strict=True):
        assert torch.equal(one.inputs, other.inputs)
        assert torch.equal(one.labels, other.labels)
        assert torch.equal(one.labels, train.labels[batch])


@pytest.mark.usefixtures("no_memory")
def test_a_damaged_image_in_the_middle_of_an_epoch_is_named(folder: Path) -> None:
    path = _damage(folder)
    record = run_trial(_trial(folder))
    assert record.status == "failed"
    assert f"{path} must be a whole image" in record.message


@pytest.mark.parametrize("loaders", [0, 1])
def test_a_damaged_image_is_skipped_and_counted(folder: Path, loaders: int) -> None:
    _damage(folder)
    task = data_task(str(folder), skip_corrupt=1)
    assert "skip_corrupt=1" in task.name
    record = run_trial(replace(_trial(folder), task=task.name, seed=1), loaders=loaders)
    assert record.status == "ok", record.message
    split = task.load(1)
    whole = {name: sum(map(len, getattr(split, name).parts())) for name in ("train", "validation", "test")}
    sizes = {name: len(getattr(split, name)) for name in whole}
    assert sum(sizes.values()) - sum(whole.values()) == 1
    assert record.results.get("skipped_images", 0) == sizes["train"] - whole["train"]


def test_a_damaged_image_is_refused_before_training_if_the_data_fit(folder: Path) -> None:
    path = _damage(folder)
    with pytest.raises(DataError, match=f"{path} must be a whole image"):
        load_data(str(folder))


@pytest.mark.usefixtures("no_memory")
def test_images_of_another_size_or_mode_are_named(folder: Path) -> None:
    Image.new("RGB", (9, 12)).save(folder / "dark" / "03.png")
    data = load_data(str(folder))
    with pytest.raises(DataError, match=r"all images must be of one size, got 12x12 .* and 9x12"):
        data.train.pixels.read(np.arange(10))


def test_augmented_images_are_shifts_and_flips_of_the_image() -> None:
    image = torch.arange(64.0).view(1, 1, 8, 8) + 1
    seen = {tuple(augment(image, seed).flatten().tolist()) for seed in range(200)}
    padded = torch.nn.functional.pad(image, (1, 1, 1, 1))
    shifts = [padded[..., i : i + 8, j : j + 8] for i in range(3) for j in range(3)]
    wanted = {tuple(each.flatten().tolist()) for shift in shifts for each in (shift, shift.flip(3))}
    assert seen == wanted


def test_large_images_are_cropped_to_a_box_and_keep_their_shape() -> None:
    row = torch.linspace(0, 1, 96).expand(64, 3, 96, 96)
    cropped = augment(row, 0)
    assert cropped.shape == row.shape
    assert cropped.min() >= 0
    assert cropped.max() <= 1
    # A horizontal ramp stays one: steps along a row are equal, of the box's share of the width.
    steps = cropped.diff(dim=3)[:, :, :, 5:-5]
    assert (steps - steps.mean(3, keepdim=True)).abs().max() < 1e-4
    assert 0.2 < (steps < 0).float().mean() < 0.8  # about half are flipped
    assert not torch.equal(augment(row, 0), augment(row, 1))


def test_augmented_training_learns_and_is_the_same_again(folder: Path) -> None:
    trial = _trial(folder, "?augment=1")
    first, second, plain = run_trial(trial), run_trial(trial), run_trial(_trial(folder))
    assert first.status == "ok", first.message
    assert first.results == second.results
    assert first.results["train_loss"] != plain.results["train_loss"]


@pytest.mark.parametrize("option", ["augment", "skip_corrupt"])
def test_options_of_data_need_data(option: str) -> None:
    flag = option.replace("_", "-")
    with pytest.raises(LabError, match=f"--{flag} must be given with data, got {option} 1 without; add --data"):
        make_study(StudySettings(task="digits", **{option: True}))


def test_settings_reach_the_task_and_the_engine(folder: Path) -> None:
    settings = StudySettings(data=str(folder), augment=True, skip_corrupt=True, num_workers=3)
    (task,) = make_study(settings).tasks
    assert task.name.endswith("?augment=1&skip_corrupt=1")
    assert "cropped and flipped at random" in task.about
    assert settings.engine_options.loaders == 3
    with pytest.raises(LabError, match="num-workers must be a number, got -1; give one"):
        StudySettings(num_workers=-1)
