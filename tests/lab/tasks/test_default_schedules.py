"""Schedules for data whose size only their owner knows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from data_files import write_mnist
from localnorm.lab.tasks import data_task, find_task
from localnorm.lab.tasks.default_schedules import FEW, faces_schedule, images_schedule, scenes_schedule


@pytest.mark.parametrize("schedule", [images_schedule, faces_schedule, scenes_schedule])
def test_the_less_there_is_the_more_often_it_is_seen(schedule):
    epochs = [schedule(examples).epochs for examples in (0, 1, 30, 300, 3_000, 30_000, 1_000_000)]
    assert epochs == sorted(epochs, reverse=True)
    assert epochs[0] == epochs[1] <= 60
    assert epochs[-1] == 2


@pytest.mark.parametrize("examples", [FEW, FEW + 1])
def test_what_takes_time_is_for_few_images(examples: int):
    schedule = images_schedule(examples)
    assert bool(schedule.draws) == bool(schedule.batch_sizes) == (examples <= FEW)


def test_faces_are_drawn_from_around_their_rate():
    schedule = find_task("faces").schedule
    rates = schedule.learning_rates
    assert min(rates) < schedule.default_learning_rate == 1e-3 < max(rates)
    assert (schedule.epochs, schedule.batch_size, schedule.draws) == (6, 32, 2)


@pytest.mark.parametrize(
    ("test", "examples", "to_train"), [(0, None, 18), (0, 10, 10), (10, None, 24), (10, 2000, 24)]
)
def test_images_that_are_split_off_are_not_trained_on(
    test: int, examples: int | None, to_train: int, tmp_path: Path
):
    labels = [n % 10 for n in range(30)]
    images = np.zeros((30, 4, 4), np.uint8)
    write_mnist(tmp_path, "train", images, labels, zipped=False)
    if test:
        write_mnist(tmp_path, "t10k", images[:test], labels[:test], zipped=False)
    task = data_task(str(tmp_path), examples=examples)
    assert len(task.load(0).train.labels) == to_train
    assert task.schedule == images_schedule(to_train)
