"""A study with made-up records of every kind of task, with images."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from PIL import Image

from localnorm.lab.records.record import Record, Trial
from localnorm.lab.study.study import Study
from localnorm.lab.study.training_config import TrainingConfig
from localnorm.lab.tasks import task_studies
from report_records import DIGITS, ROWS, write_records

_SHORT = TrainingConfig(learning_rates=(1e-3,), default_learning_rate=1e-3, epochs=2, corrupted=False)
STYLE, SCENES, TOKENS = (
    replace(task, schedule=_SHORT) for task in task_studies(["style", "digit-scenes", "digit-tokens"])
)
NORMS = ("none", "local", "batch", "layer", "instance")
STUDY = Study((DIGITS, SCENES, ROWS, TOKENS, STYLE), NORMS, seeds=(0, 1, 2))


def encoded(grey: int, kind: str, size: tuple[int, int] = (12, 8)) -> str:
    """Return a grey image as base64."""
    file = io.BytesIO()
    Image.new("L", size, grey).save(file, kind)
    return base64.b64encode(file.getvalue()).decode("ascii")


def scene(norm: str, number: int) -> dict[str, Any]:
    """Return a made-up scene: one true box, and one more found with every norm than with the one before."""
    found = [[7, 0.9, 1.0 + i, 2.0, 9.5, 12.0 + i] for i in range(NORMS.index(norm))]
    return {"size": [64, 48], "jpeg": encoded(100 + number, "JPEG", (64, 48)), "true": [[7, 1, 2, 10, 12]],
            "found": found}  # fmt: skip


def with_images(record: Record) -> Record:
    job = record.job
    if not isinstance(job, Trial) or job.task not in (STYLE.name, SCENES.name):
        return record
    extra: Mapping[str, Any] = (
        {
            "style_error": 20.0 + NORMS.index(job.norm),
            "photograph_png": encoded(job.seed, "PNG"),
            "stylized_png": encoded(10 * NORMS.index(job.norm) + job.seed, "PNG"),
        }
        if job.task == STYLE.name
        else {"ap50": 50.0, "scenes": [scene(job.norm, number) for number in range(4)]}
    )
    return replace(record, results={**record.results, **extra})


def write_every_kind(folder: Path) -> Path:
    return write_records(folder, STUDY, with_images)
