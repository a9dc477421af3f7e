"""What localnorm compare does with a study: plan it, or run what is missing of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import typer

from localnorm.commands.console import INTERRUPTED, err, out, say
from localnorm.commands.progress import ProgressLine
from localnorm.lab.engines.choice import OpenedEngine
from localnorm.lab.monitoring.watcher import Start, Watcher
from localnorm.lab.records.store import write_atomically
from localnorm.lab.study.study import Study


def print_plan(study: Study, workers: int, *, as_json: bool) -> None:
    """Print the trials of a study and an estimate of their time."""
    from localnorm.lab.run.estimate import make_plan

    with err.status("timing a few steps of each kind of trial") as status:

        def on_measured(done: int, total: int) -> None:
            status.update(f"timing a few steps of each kind of trial: {done} of {total}")

        made = make_plan(study, workers, on_measured)
    if as_json:
        print(json.dumps(asdict(made)))  # noqa: T201  what was asked for
        return
    tasks = ", ".join(
        f"{count} on {task} ({made.seconds_by_task[task] / 60:.1f} minutes)" for task, count in made.trials.items()
    )
    trials = sum(made.trials.values())
    out.print(
        f"{trials} trials: {tasks}; {made.trials_per_norm} for each of {len(study.norms)} norms.\n"
        f"{made.probes} probes of cost, scope and flexibility.\n"
        f"About {made.seconds / 60:.1f} minutes with {made.workers} workers, if nothing of it is done yet.",
        soft_wrap=True,
        highlight=False,
    )


def run_study(
    study: Study, folder: Path, engine: OpenedEngine, study_file: Path | None, loggers: Sequence[Watcher] = ()
) -> None:
    """Run what is missing, with a line of progress where stderr is a terminal.

    Args:
        study: the settings.
        folder: of the study.
        engine: what the workers are in.
        study_file: where settings were read from, to be kept beside the records.
        loggers: who else is told what happens.
    """
    from localnorm.lab.run import compare as lab

    line = ProgressLine()

    def on_start(start: Start) -> None:
        for damaged in start.damaged:
            say(f"damaged, run again: {damaged.path}: {damaged.problem}")
        if start.kept:
            rest = start.total - start.kept
            say(f"{start.kept} of {start.total} jobs are in {folder} already; running the other {rest}")
        else:
            say(f"running {start.total} jobs into {folder} with {engine.workers} workers")
        if study_file:
            write_atomically(folder / "study.toml", study_file.read_text(encoding="utf-8"))

    records = lab.compare(
        study,
        folder,
        engine.workers,
        on_start,
        watchers=(line, *loggers),
        open_engine=engine.open_engine,
        trial_seconds=engine.trial_seconds,
    )
    try:
        for _ in records:
            pass
    except KeyboardInterrupt:
        # Closed first: the line ends before anything else is said.
        records.close()
        say(f"interrupted; {line.count} more jobs are kept in {folder}: the same command goes on from there")
        raise typer.Exit(INTERRUPTED) from None
    finally:
        records.close()
