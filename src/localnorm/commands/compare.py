"""localnorm compare: run a study and print its table."""

from __future__ import annotations

import json
import os
from collections import Counter
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from localnorm.commands.console import INTERRUPTED, err, errors_end_the_command, out, say
from localnorm.commands.report import show
from localnorm.errors import LabError
from localnorm.lab.study import DEFAULT_NORMS, Study, smoke


def _cores() -> int:
    """Return the processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def compare(
    norms: Annotated[
        str, typer.Option(help="Norms to compare, separated by commas; your own as package.module:attribute.")
    ] = ",".join(DEFAULT_NORMS),
    seeds: Annotated[int, typer.Option(help="Number of seeds; every norm is trained with each.")] = 5,
    out_folder: Annotated[
        Path | None,
        typer.Option("--out", help="Folder of the study. Default: compare, or compare-smoke.", show_default=False),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="Worker processes. Default: one a core.", show_default=False)
    ] = None,
    plan: Annotated[
        bool, typer.Option("--plan", help="Print the trials and an estimate of time; run none.")
    ] = False,
    smoke_run: Annotated[
        bool, typer.Option("--smoke", help="A study too small to conclude from, in seconds.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the table, or the plan, as JSON.")] = False,
) -> None:
    """Measure norms on real handwritten digits; print the table and write the report.

    Interrupted and started again, it runs only what is missing. With more norms or seeds, only what is new.
    """
    with errors_end_the_command():
        workers = _cores() if workers is None else workers
        study = _study(norms, seeds)
        if workers < 1:
            raise LabError(f"--workers must be at least 1, got {workers}; leave it out for one a core.")
        if smoke_run:
            study = smoke(study)
        folder = out_folder or Path("compare-smoke" if smoke_run else "compare")
        if plan:
            _print_plan(study, workers, as_json=as_json)
        else:
            _run(study, folder, workers)
            show(folder, as_json=as_json)


def _study(norms: str, seeds: int) -> Study:
    names = tuple(name.strip() for name in norms.split(",") if name.strip())
    if "none" not in names:
        say("none is added to the norms: every other norm is compared with it")
        names = ("none", *names)
    if seeds < 1:
        raise LabError(f"--seeds must be at least 1, got {seeds}; five or more can decide something.")
    return replace(Study(), norms=names, seeds=tuple(range(seeds)))


def _print_plan(study: Study, workers: int, *, as_json: bool) -> None:
    from localnorm.lab.plan import make_plan

    made = make_plan(study, workers)
    if as_json:
        print(json.dumps(asdict(made)))  # noqa: T201  what was asked for
        return
    tasks = ", ".join(f"{count} on {task}" for task, count in made.trials.items())
    trials = sum(made.trials.values())
    out.print(
        f"{trials} trials: {tasks}; {made.trials_per_norm} for each of {len(study.norms)} norms.\n"
        f"{made.probes} probes of cost, scope and flexibility.\n"
        f"About {made.seconds / 60:.1f} minutes with {made.workers} workers, if nothing of it is done yet.",
        soft_wrap=True,
        highlight=False,
    )


def _run(study: Study, folder: Path, workers: int) -> None:
    """Run what is missing, with a progress bar where stderr is a terminal."""
    from localnorm.lab import compare as lab

    progress = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("elapsed,"),
        TimeRemainingColumn(),
        TextColumn("left"),
        console=err,
        disable=not err.is_terminal,
    )
    bar = progress.add_task("measuring", total=None)
    seen: Counter[str] = Counter()

    def on_start(start: lab.Start) -> None:
        for damaged in start.damaged:
            say(f"damaged, run again: {damaged.path}: {damaged.problem}")
        if start.kept:
            rest = start.total - start.kept
            say(f"{start.kept} of {start.total} jobs are in {folder} already; running the other {rest}")
        else:
            say(f"running {start.total} jobs into {folder} with {workers} workers")
        progress.update(bar, total=start.total, completed=start.kept)

    records = lab.compare(study, folder, workers, on_start)
    try:
        with progress:
            for record in records:
                seen[record.status] += 1
                progress.advance(bar)
    except KeyboardInterrupt:
        more = sum(seen.values())
        say(f"interrupted; {more} more jobs are kept in {folder}: the same command goes on from there")
        raise typer.Exit(INTERRUPTED) from None
    finally:
        records.close()
