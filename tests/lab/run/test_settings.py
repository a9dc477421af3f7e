"""Settings from the command line, a file and Python, and the studies made from them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from data_files import random_pixels, write_pictures
from localnorm.errors import LabError, UnknownNameError
from localnorm.lab.measures.choice import GridSetting
from localnorm.lab.measures.judged import judged_trial
from localnorm.lab.records.record import Job, key
from localnorm.lab.run.settings import (
    SearchSettings,
    StudySettings,
    make_search_task,
    make_study,
    merged_settings,
    read_settings,
)
from localnorm.lab.study.jobs import random_trials
from localnorm.lab.study.study import KINDS, Study, TaskStudy, smoke
from localnorm.lab.study.training_config import TrainingConfig, at_rates
from localnorm.lab.tasks import TASKS, find_task, task_studies

DEFAULT = Study(task_studies(["digits", "digit-rows"]))


def _sum(study: Study) -> tuple[int, str]:
    jobs: list[Job] = list(study.probes())
    for task in study.tasks:
        setting = GridSetting(*task.schedule.grid[0])
        jobs += [*study.pilot_trials(task), *random_trials(study, task)]
        for norm in study.norms:
            for seed in study.seeds:
                jobs += [judged_trial(task, norm, seed, setting), *study.batch_trials(task, norm, seed)]
    keys = sorted({key(job) for job in jobs})
    return len(keys), hashlib.sha256(",".join(keys).encode()).hexdigest()[:16]


def test_the_trials_of_the_two_tasks_are_those_that_records_exist_of():
    # Written out: a change of any key makes records worthless, and has to raise the record version.
    assert _sum(DEFAULT) == (1919, "466d35e55a1a8821")
    assert _sum(smoke(DEFAULT)) == (99, "467ba5b349446da5")


def test_all_tasks_can_be_studied_at_once():
    study = make_study(StudySettings(task=("all",)))
    assert [task.name for task in study.tasks] == list(TASKS)
    assert all(task.kind in KINDS and task.about and task.unit for task in study.tasks)


def test_a_grid_of_rates_batch_sizes_and_epochs():
    settings = StudySettings(
        task="digits", norms="none", seeds=[0], epochs=(3, 6), batch_size=(32, 64), lr=(1e-3, 1e-2)
    )
    (task,) = make_study(settings).tasks
    grid = [trial for trial in make_study(settings).pilot_trials(task) if trial.seed == 1000]
    assert {(t.learning_rate, t.batch_size, t.epochs) for t in grid} == {
        (rate, size, epochs) for rate in (1e-3, 1e-2) for size in (32, 64) for epochs in (3, 6)
    }
    assert len(grid) == 8
    # What stands first is the task's own; the row of batch sizes and the draws are as they were.
    assert (task.schedule.batch_size, task.schedule.epochs) == (32, 3)
    assert task.schedule.default_learning_rate == 1e-2
    assert (task.schedule.draws, task.schedule.batch_sizes) == (2, (4, 32, 128))


def test_one_rate_leaves_nothing_to_draw_between():
    (task,) = make_study(StudySettings(task="digits", lr=(5e-3,))).tasks
    assert (task.schedule.learning_rates, task.schedule.default_learning_rate) == ((5e-3,), 5e-3)
    assert task.schedule.draws == 0


def test_smoke_comes_before_what_is_asked_for():
    (task,) = make_study(StudySettings(task="digits", smoke=True, epochs=(2,))).tasks
    assert task.schedule.epochs == 2
    assert task.schedule.learning_rates == (1e-2, 3e-2)


FILE = """
task = ["digits", "digit-rows"]
norms = "none, rms"
seeds = [3, 5]
epochs = 2
lr = [1e-3, 1e-2]
batch-size = [16, 64]
out = "mine"
workers = 1

[schedule.digit-rows]
epochs = 9
more_batch_sizes = []
"""


def test_a_file_says_what_the_command_line_can_and_more(tmp_path: Path):
    path = tmp_path / "mine.toml"
    path.write_text(FILE)
    study = make_study(StudySettings(**read_settings(path)))
    assert (study.norms, study.seeds) == (("none", "rms"), (3, 5))
    digits, rows = (task.schedule for task in study.tasks)
    assert (digits.epochs, digits.batch_size, digits.more_batch_sizes) == (2, 16, (64,))
    # What is said of one task comes after what is said of all.
    assert (rows.epochs, rows.batch_size, rows.more_batch_sizes) == (9, 16, ())
    assert rows.learning_rates == (1e-3, 1e-2)


BAD_FILES = {
    "norm = 'none'": "one of task, .*norms, seeds, .* got 'norm'; did you mean norms\\?",
    "banana = 1": "got 'banana'; check the spelling",
    "epochs = 2.5": r"epochs must be whole numbers above 0, got 2.5",
    "epochs = [1, -2]": "epochs must be whole numbers above 0",
    "lr = 'fast'": "lr must be numbers above 0, got 'fast'; separate several by commas",
    "lr = inf": "lr must be numbers above 0",
    "lr = true": "lr must be numbers above 0, got True",
    "seeds = 0": "seeds must be a number of seeds, .*, got 0; 6 or more can decide something",
    "seeds = [-1]": "a list of seeds from 0 on, got",
    "seeds = 'five'": "seeds must be a number of seeds, .*, got 'five'",
    "smoke = 'yes'": "smoke must be true or false, got 'yes'; drop the quotes",
    "out = 3": "out must be the path of a folder, got 3",
    "norms = [1]": "norms must be names",
    "schedule = 3": r"schedule must be a table per task, \[schedule.digits\]",
    "model = ['a:b', 'a:c']": "model must be one name, in quotes, got .* give one",
    "data = 3": "data must be one name, in quotes, got 3; give one",
    "data = ' '": "data must be one name, in quotes, got ' '",
    "side = 'x'": "side must be a whole number, at least 1, got 'x'; leave it out for the default",
    "examples = 0": "examples must be a whole number, at least 1, got 0; leave it out for the default",
    "[schedule.data]\nepochs = 1": "a task of this study must be one of digits, digit-rows, got 'data'",
    "epochs = ": "a study file must be readable TOML",
    "[schedule.digits]\nepoch = 1": r"a setting of \[schedule.digits\] must be .*; did you mean epochs\?",
    "[schedule.faces]\nepochs = 1": "a task of this study must be one of digits, digit-rows, got 'faces'",
    "[schedule.digits]\nepochs = 'x'": "epochs must be one whole number, got 'x'",
    "[schedule.digits]\nepochs = [1, 2]": r"epochs must be one whole number, got \[1, 2\]",
    "[schedule.digits]\ncorrupted = 1": "corrupted must be true or false",
    "[schedule.digits]\nbatch_sizes = [8, 8]": "batch sizes must be above 0 and no two the same, got 8, 8",
    "[schedule.digits]\nlearning_rates = 0": "learning_rates must be numbers above 0, got 0",
}


@pytest.mark.parametrize("text", BAD_FILES)
def test_a_file_that_says_nothing_sensible(text: str, tmp_path: Path):
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(LabError, match=BAD_FILES[text]):
        make_study(StudySettings(**read_settings(path)))


@pytest.mark.parametrize(
    ("task", "prefix", "model", "more"),
    [
        ("", "data", "small_cnn", "side = 8\nexamples = 20\nmodel = 'textbook_cnn'"),
        ("task = 'faces'", "lfw", "small_cnn", ""),
        ("task = 'digit-scenes'", "coco", "detector", "side = 32"),
    ],
)
def test_data_of_ones_own_in_a_file(task: str, prefix: str, model: str, more: str, tmp_path: Path):
    pixels = {f"{name}/{n}.png": random_pixels(8, 8, seed=n) for name in "abcdefghij" for n in range(4)}
    write_pictures(tmp_path / "mine" / "images", pixels)
    write_pictures(tmp_path / "mine" / "others", {"1.png": random_pixels(8, 8)})
    images = [{"id": n, "file_name": f"{name}", "width": 8, "height": 8} for n, name in enumerate(pixels)]
    notes = [{"id": n, "image_id": n, "category_id": 1, "bbox": [1, 1, 6, 6]} for n in range(len(images))]
    content = {"images": images, "annotations": notes, "categories": [{"id": 1, "name": "square"}]}
    (tmp_path / "mine" / "annotations.json").write_text(json.dumps(content))
    place = tmp_path / "mine" / ("images" if prefix != "coco" else "")
    path = tmp_path / "mine.toml"
    path.write_text(f"{task}\ndata = '{place}'\n{more}\n[schedule.{prefix}]\nepochs = 3\ndraws = 0\n")
    (found,) = make_study(StudySettings(**read_settings(path))).tasks
    name, _, options = found.name.partition("?")
    assert name == f"{prefix}:{place}"
    assert options == {"data": "examples=20&side=8", "lfw": "", "coco": "side=32&channels=3"}[prefix]
    assert found.model == ("textbook_cnn" if "textbook_cnn" in more else model)
    assert (found.schedule.epochs, found.schedule.draws) == (3, 0)


def test_a_file_that_is_not_there(tmp_path: Path):
    with pytest.raises(LabError, match=r"a study file must be readable TOML, got .*absent"):
        read_settings(tmp_path / "absent")


def test_text_is_read_as_the_values_that_it_lists():
    settings = StudySettings(epochs="2, 4", lr="0.001", task="all", seeds="3", workers="2", trial_seconds="1.5")
    assert (settings.epochs, settings.lr, settings.task) == ((2, 4), (0.001,), ("all",))
    assert (settings.seeds, settings.workers, settings.trial_seconds) == ((0, 1, 2), 2, 1.5)


SCHEDULES = {
    "learning rates must be above 0 and no two the same, got 0.001, 0.001": {"learning_rates": (1e-3, 1e-3)},
    "learning rates must be": {"learning_rates": (0.0, 3e-3)},
    "the default learning rate must be one of those tried, 0.001, got 0.003": {"learning_rates": (1e-3,)},
    "must differ, got 0.003 alone": {"learning_rates": (3e-3,), "draws": 1},
    "epochs tried must be above 0 and no two the same, got 8, 8": {"more_epochs": (8,)},
    "batch sizes must be": {"batch_sizes": (8, 8)},
}


@pytest.mark.parametrize("text", SCHEDULES)
def test_a_schedule_that_trains_nothing(text: str):
    with pytest.raises(LabError, match=text):
        TrainingConfig(**SCHEDULES[text])


def test_at_rates_takes_the_nearest_by_factors():
    assert at_rates(TrainingConfig(), (1e-4, 1e-3, 5e-3, 1e-1)).default_learning_rate == 5e-3


@pytest.mark.parametrize(
    ("changes", "text"),
    [({"kind": "sounds"}, "one of images, recurrent, transformer, style, got 'sounds' for x"),
     ({"smallest_effect": 0.0}, "smallest effect must be above 0 and finite, got 0.0 for x")],
)  # fmt: skip
def test_a_task_that_feeds_no_row(changes: dict, text: str):
    with pytest.raises(LabError, match=text):
        TaskStudy(**{"name": "x", "kind": "images", "model": "", "about": "", "measured_as": "", "unit": "",
                     "smallest_effect": 1.0} | changes)  # fmt: skip


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("digit", "a task must be one of digits, digit-rows.*, got 'digit'; did you mean digits"),
        ("user_tasks:absent", "module 'user_tasks' has no attribute 'absent'"),
        ("absent:tiny", "No module named 'absent'"),
        ("user_tasks:not_a_task", "a user-defined task must be a Task, got 3"),
    ],
)
def test_a_task_that_does_not_exist(name: str, text: str):
    with pytest.raises(UnknownNameError, match=text):
        find_task(name)


def test_an_own_task_is_described_by_itself():
    (task,) = task_studies(["user_tasks:tiny"])
    assert (task.name, task.kind, task.unit, task.corrupted) == (
        "user_tasks:tiny",
        "images",
        "squared error",
        True,
    )
    study = Study((task,), ("none",), (0,))
    assert [(t.learning_rate, t.batch_size, t.epochs) for t in study.batch_trials(task, "none", 0)] == [
        (1e-3 * (4 / 32) ** 0.5, 4, 2),
        (1e-3 * (8 / 32) ** 0.5, 8, 2),
    ]
    assert {(t.learning_rate, t.judged) for t in study.pilot_trials(task)} == {(1e-3, False), (1e-2, False)}


BUDGETS = {"0m": "0m", "-5m": "-5m", "5": "5", "soon": "soon", "5d": "5d", "nan s": "nan s"}


@pytest.mark.parametrize("budget", BUDGETS)
def test_a_budget_is_a_time_above_0_with_its_unit(budget: str):
    with pytest.raises(LabError, match=f"budget must be a time above 0 with its unit, s, m or h, got '{budget}'"):
        StudySettings(budget=budget)


@pytest.mark.parametrize(("budget", "seconds"), [("30s", 30.0), ("5m", 300.0), ("1.5 h", 5400.0)])
def test_a_budget_in_seconds(budget: str, seconds: float):
    assert StudySettings(budget=budget).seconds == seconds


def test_what_ends_a_study():
    assert (StudySettings().seconds, StudySettings().every_seed) == (300.0, False)
    assert StudySettings(until_decided=True).seconds is None
    some = StudySettings(seeds=8)
    assert (some.seconds, some.every_seed, some.seeds) == (None, True, tuple(range(8)))
    for other in ({"budget": "5m"}, {"seeds": 3}, {"smoke": True}):
        with pytest.raises(LabError, match="until-decided must be without"):
            _ = StudySettings(until_decided=True, **other).seconds


def test_a_search_takes_a_file_which_the_command_line_overrides(tmp_path: Path):
    path = tmp_path / "search.toml"
    path.write_text('norm = "batch"\ntask = "digits"\nlr = [1e-3, 1e-2]\ntrials = 5\n')
    settings = SearchSettings(**merged_settings(path, {"norm": "group"}))
    assert (settings.norm, settings.lr, settings.counts) == ("group", (1e-3, 1e-2), (5, 10))


def test_the_smoke_of_a_search_is_cut_down_but_for_what_is_asked_for():
    plain, smoke = SearchSettings(), SearchSettings(smoke=True, seeds=3, epochs=2)
    assert (plain.counts, smoke.counts) == ((60, 10), (2, 3))
    schedules = [make_search_task(settings).schedule for settings in (plain, smoke)]
    assert schedules[1].epochs == 2
    assert len(schedules[1].learning_rates) < len(schedules[0].learning_rates)
