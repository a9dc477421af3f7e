"""localnorm compare: run a study and print its table, or put two finished ones side by side."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from localnorm.commands.changes import show_changes
from localnorm.commands.console import errors_end_the_command, say
from localnorm.commands.options import Address, Engine, Examples, GpusPerWorker, Side, TrialSeconds, Workers
from localnorm.commands.report import show
from localnorm.commands.running import print_plan, run_study
from localnorm.errors import LabError
from localnorm.lab.engines.choice import check, cores, opened
from localnorm.lab.plugins import current_folder_searched
from localnorm.lab.study.study import DEFAULT_NORMS, DEFAULT_TASKS

if TYPE_CHECKING:
    from localnorm.lab.run.settings import Settings


def compare(
    studies: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Two finished studies, to be compared with each other; else none.", show_default=False
        ),
    ] = None,
    task: Annotated[
        str | None, typer.Option(help=f"Tasks, separated by commas, or all. Default: {','.join(DEFAULT_TASKS)}.")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            help="Your own model, package.module:function with an argument norm_layer; for one task, digits if "
            "none is named and no data are given."
        ),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            help="Your own data, a folder or hub:NAME, to classify; with --task faces or digit-scenes, a folder "
            "of people or in COCO's format."
        ),
    ] = None,
    side: Side = None,
    examples: Examples = None,
    norms: Annotated[
        str | None,
        typer.Option(
            help="Norms, separated by commas; your own as package.module:attribute. "
            f"Default: {','.join(DEFAULT_NORMS)}."
        ),
    ] = None,
    seeds: Annotated[
        int | None, typer.Option(help="Number of seeds; every norm is trained with each. Default: 5.")
    ] = None,
    epochs: Annotated[
        str | None, typer.Option(help="Epochs, for every task; of several each is tried. Default: the task's own.")
    ] = None,
    batch_size: Annotated[
        str | None, typer.Option(help="Batch size, for every task; of several each is tried.")
    ] = None,
    lr: Annotated[str | None, typer.Option(help="Learning rates tried, for every task.")] = None,
    study_file: Annotated[
        Path | None, typer.Option("--study", help="A TOML file of these settings; the command line overrides it.")
    ] = None,
    out_folder: Annotated[
        str | None,
        typer.Option("--out", help="Folder of the study. Default: compare, or compare-smoke."),
    ] = None,
    workers: Workers = None,
    engine: Engine = None,
    address: Address = None,
    gpus_per_worker: GpusPerWorker = None,
    trial_seconds: TrialSeconds = None,
    log: Annotated[
        str | None, typer.Option(help="Show the trials elsewhere, too: tensorboard, mlflow, or both by a comma.")
    ] = None,
    plan: Annotated[
        bool, typer.Option("--plan", help="Print the trials and an estimate of time; run none.")
    ] = False,
    smoke_run: Annotated[
        bool, typer.Option("--smoke", help="A study too small to conclude from, in seconds.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the table, or the plan, as JSON.")] = False,
) -> None:
    """Measure norms on real data; print the table and write the report.

    Interrupted and started again, it runs only what is missing. With more tasks, norms or seeds, only what is new.
    Modules of your own are found in the current folder, too. With two finished studies it trains nothing and
    prints what they say differently; exit code 1 if a verdict differs.
    """
    told: dict[str, object] = {
        "task": task,
        "model": model,
        "data": data,
        "side": side,
        "examples": examples,
        "norms": norms,
        "seeds": seeds,
        "epochs": epochs,
        "batch-size": batch_size,
        "lr": lr,
        "workers": workers,
        "engine": engine,
        "address": address,
        "gpus-per-worker": gpus_per_worker,
        "trial-seconds": trial_seconds,
        "out": out_folder,
        "smoke": smoke_run or None,
    }
    given = {name: value for name, value in told.items() if value is not None}
    with errors_end_the_command(), current_folder_searched():
        if studies:
            others = [*given, *(n for n, v in {"study": study_file, "log": log, "plan": plan}.items() if v)]
            raise typer.Exit(_compare_two(studies, [*others, *(["json"] if as_json else [])]))
        from localnorm.lab.monitoring.loggers import make_loggers
        from localnorm.lab.run.preflight import misfits
        from localnorm.lab.run.settings import engine_choice, make_study

        settings = _settings(given, study_file)
        folder = Path(settings.out or ("compare-smoke" if settings.smoke else "compare"))
        loggers = make_loggers([name.strip() for name in log.split(",")] if log else [], folder)
        choice = engine_choice(settings)
        if not plan:
            check(choice)
        study = make_study(settings)

        def say_misfits() -> None:
            for misfit in misfits(study):
                say(f"no result will come of {misfit.norm} on {misfit.task}: {misfit.problem}")

        if plan:
            say_misfits()
            print_plan(study, settings.workers or cores(), as_json=as_json)
        else:
            with opened(choice) as opened_engine:
                say_misfits()
                run_study(study, folder, opened_engine, study_file, loggers)
            show(folder, as_json=as_json)


def _compare_two(studies: list[Path], others: list[str]) -> int:
    if len(studies) != 2:
        raise LabError(
            f"compare takes two finished studies, or none to run one, got {len(studies)}: "
            f"{', '.join(map(str, studies))}; name the folder of a study to run with --out."
        )
    if others:
        raise LabError(
            f"two studies are compared as they are, got also --{', --'.join(others)}; drop that, or the folders."
        )
    return show_changes(*studies)


def _settings(given: dict[str, object], file: Path | None) -> Settings:
    """Return what was given on the command line, over what the file says, over the defaults."""
    from localnorm.lab.run.settings import Settings
    from localnorm.lab.run.settings_parser import checked, read_settings

    in_file = read_settings(file) if file else {}
    on_line = {name.replace("-", "_"): checked(name, value) for name, value in given.items()}
    settings = Settings(**{**in_file, **on_line})
    if "none" not in settings.norms:
        say("none is added to the norms: every other norm is compared with it")
        settings = replace(settings, norms=("none", *settings.norms))
    return settings
