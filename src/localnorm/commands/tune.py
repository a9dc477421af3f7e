"""localnorm tune: find a norm's hyperparameters and the learning rate, and compare what was found on test data."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from localnorm.commands.console import INTERRUPTED, err, errors_end_the_command, say
from localnorm.commands.options import Address, Engine, Examples, GpusPerWorker, Side, TrialSeconds, Workers
from localnorm.commands.report import show_tuned
from localnorm.errors import LabError
from localnorm.lab.engines.choice import OpenedEngine, check, opened
from localnorm.lab.plugins import current_folder_searched
from localnorm.lab.tuning.tuning import SAMPLERS, Tuning

if TYPE_CHECKING:
    from localnorm.lab.run.settings import Settings


def tune(
    norm: Annotated[
        str, typer.Option(help="The norm; your own as package.module:attribute, with its space if it is a Norm.")
    ] = "local",
    task: Annotated[str | None, typer.Option(help="The task. Default: digits.")] = None,
    model: Annotated[
        str | None, typer.Option(help="Your own model, package.module:function with an argument norm_layer.")
    ] = None,
    data: Annotated[str | None, typer.Option(help="Your own data, as for compare: a folder or hub:NAME.")] = None,
    side: Side = None,
    examples: Examples = None,
    lr: Annotated[
        str | None,
        typer.Option(help="Learning rates: searched between the lowest and the highest. Default: the task's own."),
    ] = None,
    epochs: Annotated[str | None, typer.Option(help="Epochs of a trial. Default: the task's own.")] = None,
    batch_size: Annotated[str | None, typer.Option(help="Batch size. Default: the task's own.")] = None,
    trials: Annotated[int, typer.Option(help="Trials of the search.")] = 60,
    timeout: Annotated[
        float | None, typer.Option(help="Seconds after which no more trials of the search are begun.")
    ] = None,
    seeds: Annotated[int, typer.Option(help="Seeds of the comparison on test data.")] = 10,
    sampler: Annotated[str, typer.Option(help=f"How settings are proposed: {' or '.join(SAMPLERS)}.")] = "tpe",
    workers: Workers = None,
    engine: Engine = None,
    address: Address = None,
    gpus_per_worker: GpusPerWorker = None,
    trial_seconds: TrialSeconds = None,
    out_folder: Annotated[Path, typer.Option("--out", help="Folder of the search.")] = Path("tune"),
    as_json: Annotated[bool, typer.Option("--json", help="Print what was found as JSON.")] = False,
) -> None:
    """Find a norm's hyperparameters and the learning rate; print the best as a line of code, write the report.

    Interrupted and started again, it goes on where it was. The choice rests on validation data; test data, with
    other seeds, only say how good it is.
    """
    told: dict[str, object] = {
        "task": task,
        "model": model,
        "data": data,
        "side": side,
        "examples": examples,
        "epochs": epochs,
        "batch-size": batch_size,
        "lr": lr,
        "workers": workers,
        "engine": engine,
        "address": address,
        "gpus-per-worker": gpus_per_worker,
        "trial-seconds": trial_seconds,
    }
    given = {name: value for name, value in told.items() if value is not None}
    with errors_end_the_command(), current_folder_searched():
        if timeout is not None and not timeout > 0:
            raise LabError(f"--timeout must be above 0 seconds, got {timeout:g}; leave it out for no limit.")
        from localnorm.lab.run.settings import Settings, engine_choice
        from localnorm.lab.run.settings_parser import checked

        settings = Settings(**{name.replace("-", "_"): checked(name, value) for name, value in given.items()})
        choice = engine_choice(settings)
        check(choice)
        tuning = _tuning(settings, norm, sampler, trials, seeds)
        if not tuning.space:
            say(f"{norm} has no hyperparameters of its own: only the learning rate is searched for")
        with opened(choice) as opened_engine:
            _run(tuning, out_folder, opened_engine, timeout)
        show_tuned(out_folder, as_json=as_json)


def _tuning(settings: Settings, norm: str, sampler: str, trials: int, seeds: int) -> Tuning:
    """Return the tuning that is asked for; whatever can be wrong with it is found out here."""
    from localnorm.lab.run.preflight import misfits
    from localnorm.lab.run.settings import make_study
    from localnorm.lab.run.tune import make_tuning

    if not settings.task and not settings.data:
        settings = replace(settings, task=("digits",))
    norms = ("none",) if norm == "none" else ("none", norm)
    study = make_study(replace(settings, norms=norms, seeds=(0,)))
    if len(study.tasks) != 1:
        names = ", ".join(own.name for own in study.tasks)
        raise LabError(f"a search must be on one task, got {names}; name one with --task.")
    tuning = make_tuning(study.tasks[0], norm, sampler, trials, seeds)
    for misfit in misfits(study):
        raise LabError(
            f"a norm to search for must fit the model, got {misfit.norm} on {misfit.task}: {misfit.problem}; "
            "choose another norm."
        )
    return tuning


def _run(tuning: Tuning, folder: Path, engine: OpenedEngine, timeout: float | None) -> None:
    """Run what is missing, with a count where stderr is a terminal."""
    from localnorm.lab.run import tune as lab

    progress = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=err,
        disable=not err.is_terminal,
    )
    bar = progress.add_task("searching", total=tuning.trials)

    def on_start(begun: lab.Begun) -> None:
        for damaged in begun.damaged:
            say(f"damaged, run again: {damaged.path}: {damaged.problem}")
        if begun.kept:
            say(f"{begun.kept} of {tuning.trials} trials of the search are in {folder} already; running the rest")
        else:
            say(f"searching with {tuning.trials} trials into {folder} with {engine.workers} workers")
        progress.update(bar, completed=begun.kept)

    def on_used_up(tried: int) -> None:
        say(f"the space is used up: the search ends with its {tried} settings, fewer than {tuning.trials} trials")
        progress.update(bar, total=tried)

    records = lab.tune(
        tuning,
        folder,
        engine.workers,
        on_start,
        timeout or float("inf"),
        on_used_up=on_used_up,
        open_engine=engine.open_engine,
        trial_seconds=engine.trial_seconds,
    )
    done = 0
    try:
        with progress:
            for record in records:
                done += 1
                if "number" in record.timing:
                    progress.advance(bar)
                else:
                    progress.update(bar, description="comparing")
    except KeyboardInterrupt:
        say(f"interrupted; {done} more trials are kept in {folder}: the same command goes on from there")
        raise typer.Exit(INTERRUPTED) from None
    finally:
        records.close()
