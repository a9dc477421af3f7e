"""localnorm compare on user-defined models and data: from a folder to a report, and rejected input."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path

import pytest
from typer.testing import CliRunner

from data_files import random_pixels, write_mnist, write_pictures
from localnorm.commands import app
from localnorm.lab.records.record import Trial
from localnorm.lab.records.store import Store
from localnorm.lab.study.study_file import read_study
from user_runners import captured_runs, localnorm

MODEL = """
from torch import nn

def net(norm_layer, in_chans, num_classes):
    body = nn.Sequential(nn.Conv2d(in_chans, 12, 3), norm_layer(12), nn.ReLU(), nn.Dropout2d(0.1))
    return nn.Sequential(body, nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(48, num_classes))
"""
STUDY = """
model = "my_model:net"
data = "pictures"
norms = "none, batch, user_norms:makes_nan, user_norms:out_of_memory"
seeds = 1
smoke = true
out = "study"
workers = 1

[schedule.data]
learning_rates = [1e-3]
batch_sizes = []
"""
JOBS = 1 + 2 * 4 + 4  # probes; norms x seeds


def _pictures(folder: Path, classes: str = "ab", count: int = 6, side: int = 8) -> Path:
    shape = (side, side)
    pixels = {f"{name}/{n}.png": random_pixels(*shape, seed=n) // 2 for name in classes for n in range(count)}
    write_pictures(folder, {name: p + 100 * name.startswith("b") for name, p in pixels.items()})
    return folder


def _run(folder: Path, *words: object) -> tuple[str, str]:
    out, err = (process := localnorm("compare", *words, folder=folder)).communicate(timeout=300)
    assert process.returncode == 0, err
    return out, err


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with pictures, a model, and a study of both that has ended; nothing of it is on PYTHONPATH."""
    folder = tmp_path_factory.mktemp("home")
    _pictures(folder / "pictures")
    (folder / "my_model.py").write_text(MODEL)
    (folder / "mine.toml").write_text(STUDY)
    out, err = _run(folder, "--study", "mine.toml")
    assert f"running {JOBS} jobs into study with 1 worker" in err
    assert "generalization" in out
    return folder


def _trials(folder: Path) -> dict[Trial, str]:
    sound, damaged = Store(folder).read()
    assert not damaged
    return {record.job: record.status for record in sound.values() if isinstance(record.job, Trial)}


@pytest.mark.slow
def test_what_goes_wrong_leaves_the_other_trials_intact(home: Path):
    records = [record for record in Store(home / "study").read()[0].values() if isinstance(record.job, Trial)]
    ended = {record.job.norm: (record.status, record.message) for record in records}
    assert ended == {
        "none": ("ok", ""),
        "batch": ("ok", ""),
        "user_norms:makes_nan": ("diverged", "the training loss was not finite in epoch 1"),
        "user_norms:out_of_memory": ("out of memory", "no room for 12 channels"),
    }
    table = json.loads((home / "study" / "table.json").read_text())
    (row,) = (row for row in table["rows"] if row["row"]["name"] == "generalization")
    cells = {cell["norm"]: cell for cell in row["cells"]}
    assert cells["batch"]["estimate"] is not None
    for norm in ("user_norms:makes_nan", "user_norms:out_of_memory"):
        assert cells[norm]["estimate"] is None
        assert ended[norm][1] in (home / "study" / "report.html").read_text()


def test_the_study_says_whose_model_and_data_it_is_of(home: Path):
    (task,) = read_study(home / "study").tasks
    assert (task.name, task.model) == (f"data:{home / 'pictures'}", "my_model:net")
    assert "images of 1x8x8 in 2 classes: 8 to train, 2 to choose, 2 to test" in task.about
    assert (task.schedule.learning_rates, task.schedule.batch_sizes) == ((1e-3,), ())
    assert (home / "study" / "study.toml").read_text() == STUDY
    assert (home / "study" / "report.html").stat().st_size > 10_000


@pytest.mark.slow
def test_with_another_seed_only_what_is_new_is_trained(home: Path):
    before = _trials(home / "study")
    written = {path: path.stat().st_mtime_ns for path in (home / "study" / "records").iterdir()}
    _, err = _run(home, "--study", "mine.toml", "--seeds", 2)
    assert f"{JOBS + 3} of {JOBS + 6} jobs are in study already; running the other 3" in err
    after = _trials(home / "study")
    assert after.items() >= before.items()
    assert Counter(trial.seed for trial in after) == {1000: 4, 0: 3, 1: 3}
    assert {path: path.stat().st_mtime_ns for path in written} == written


def _damaged_idx(folder: Path) -> None:
    write_mnist(folder, "train", random_pixels(10, 8, 8), list(range(10)), zipped=False)
    path = folder / "train-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:-5])


MADE = {
    "good": _pictures,
    "one_class": lambda folder: _pictures(folder, "a"),
    "sizes": lambda folder: _pictures(_pictures(folder), "c", side=9),
    "empty": lambda folder: folder.mkdir(),
    "damaged_idx": _damaged_idx,
}
REFUSED = {
    "--model user_models:needs_a_width": "give width a default, or wrap it in a function",
    "--model user_models:fixed_classes": "a model must give scores of shape (2, 10) for 2 images, got (2, 1000)",
    "--model user_models:fixed_classes --plan": "a model must give scores of shape (2, 10)",
    "--model user_models:timm_style --norms user_norms:shape_changer": "a norm must keep the shape of its input",
    "--norms user_norms:shape_changer": "a norm must keep the shape of its input, got (2, 31, 6, 6)",
    "--model user_models:torchvision_style --data good": "a model must take images of shape (2, 1, 8, 8)",
    "--data one_class": "data to classify must have at least two classes in training, got only 'a'",
    "--data sizes": "all images must be of one size, got 8x8 in",
    "--data empty": "a data folder must hold train-images-idx3-ubyte",
    "--data damaged_idx": "it is truncated or damaged: get it anew",
    "--data absent": "data must be a folder that exists or hub:NAME, got",
    "--data good --side 0": "side must be a whole number, at least 1, got '0'",
    "--data good --examples 1": "examples must be at least 2 per subset, got 1",
    "--side 8": "side must be given with data, got side 8 without; add --data",
    "--examples 8 --task digits": "examples must be given with data, got examples 8 without",
    "--data good --task digits": "be faces or digit-scenes, got digits; drop --task or --data",
    "--data good --task faces,digits": "be faces or digit-scenes, got faces, digits",
    "--data good --task faces": "faces must be of at least 10 people with two images each, got 2 in",
    "--data good --task faces --side 8": "faces on a folder takes no option but none, got side 8",
    "--data good --task digit-scenes --examples 8": "takes no option but side, got examples 8; drop --examples",
    "--data good --task digit-scenes": "a COCO folder must hold images/ and annotations.json",
    "--data hub:mnist --task digit-scenes": "digit-scenes must be on a folder, got hub:mnist",
    "--model small_cnn --task digits,faces": "a model must be for one task, got small_cnn for digits, faces",
    "--model small_cnn --task all": "a model must be for one task",
    "--model small_cnn --task digit-rows": "the model of digit-rows must be recurrent, got 'small_cnn'",
    "--model user_models:absent": "module 'user_models' has no attribute 'absent'",
    "--model my_model.py:net": "name the module, not its file: my_model:net",
    "--norms user_norms:returns_none": "a norm must be a torch.nn.Module, got None from the builder of user_norms",
    "--model broken:net": "whose module raises SyntaxError: ",
}


@pytest.mark.parametrize("words", REFUSED)
def test_bad_input_is_refused_before_any_work(words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken.py").write_text("def net(norm_layer:")
    for name in set(words.split()) & set(MADE):
        MADE[name](tmp_path / name)
    result = CliRunner().invoke(app, ["compare", *words.split(), "--out", "out"])
    assert (result.exit_code, result.stdout) == (2, ""), result.stdout
    said = result.stderr.splitlines()[-1]
    assert said.startswith("error: ")
    assert REFUSED[words] in said
    assert not (tmp_path / "out").exists()


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Run the command line in a folder of its own, up to where work begins; return what would be studied."""

    def ask(*words: object):
        runs = captured_runs(monkeypatch)
        monkeypatch.chdir(tmp_path)
        result = CliRunner().invoke(app, ["compare", *map(str, words)])
        assert result.exit_code == 0, result.stderr
        return runs[0]["study"], result.stderr

    return ask


def test_data_alone_are_classified_by_the_small_network(asked, tmp_path: Path):
    _pictures(tmp_path / "good")
    study, _ = asked("--data", "good", "--side", 6, "--examples", 4, "--lr", "1e-3", "--batch-size", 8)
    (task,) = study.tasks
    assert (task.name, task.model) == (f"data:{tmp_path / 'good'}?examples=4&side=6", "small_cnn")
    assert "at most 4 per subset" in task.about
    assert (task.schedule.learning_rates, task.schedule.batch_size) == ((1e-3,), 8)


def test_a_model_alone_learns_digits(asked):
    study, said = asked("--model", "user_models:norm_on_one_position", "--norms", "none,instance")
    assert [(task.name, task.model) for task in study.tasks] == [("digits", "user_models:norm_on_one_position")]
    assert "instance on digits will have no result: a model must take images" in said
    assert "Expected more than 1 spatial element" in said


def test_a_model_in_the_current_folder_is_found_and_the_path_left_as_it_was(asked, tmp_path: Path):
    (tmp_path / "only_here.py").write_text(f"{MODEL}\n\ndef norm(num_channels):\n    return nn.Identity()\n")
    before = list(sys.path)
    study, _ = asked("--model", "only_here:net", "--task", "faces", "--norms", "none")
    assert study.tasks[0].model == "only_here:net"
    drawn = CliRunner().invoke(app, ["scope", "only_here:norm"])
    assert drawn.stdout.startswith("only_here:norm: itself")
    assert sys.path == before
