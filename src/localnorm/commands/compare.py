"""localnorm compare: run a study, print its table and write its report."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from localnorm.commands.console import (
    DEFAULT_FOLDER,
    counted,
    duration,
    err,
    errors_end_the_command,
    out,
    print_plain,
    say,
)
from localnorm.commands.options import settings_options
from localnorm.commands.report import UNTIL_ERROR, show
from localnorm.commands.running import KeepFile, loggers, run_to_end
from localnorm.errors import LabError
from localnorm.lab.engines.choice import check_cluster, cores, started
from localnorm.lab.plugins import current_folder_on_path
from localnorm.lab.run.settings import StudySettings, make_study, merged_settings

if TYPE_CHECKING:
    from localnorm.lab.study.study import Study


@settings_options(StudySettings)
def compare(
    given: Mapping[str, Any],
    extra: Annotated[list[str] | None, typer.Argument(hidden=True)] = None,
    study_file: Annotated[
        Path | None, typer.Option("--study", help="TOML file of settings; the command line overrides it.")
    ] = None,
    log: Annotated[
        str | None,
        typer.Option(help="Also log trials to tensorboard and/or mlflow (comma-separated).", metavar="NAME,..."),
    ] = None,
    plan: Annotated[
        bool,
        typer.Option("--plan", help="Time a few steps of each type of trial and print an estimate; run nothing."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the table, or the plan, as JSON.")] = False,
    until_error: Annotated[float | None, UNTIL_ERROR] = None,
) -> None:
    """Compare normalization layers on real data; print the table and write the report.

    Run the same command again to resume. With more tasks, norms or seeds, only the new jobs run. User-defined
    modules are also found in the current folder.
    """
    with errors_end_the_command(), current_folder_on_path():
        if extra:
            raise LabError(_refuse(extra))
        settings = _settings(given, study_file)
        folder = Path(settings.out or DEFAULT_FOLDER + ("-smoke" if settings.smoke else ""))
        callbacks = loggers(log, folder)
        options = settings.engine_options
        if not plan:
            check_cluster(options)
        study = make_study(settings)
        budget, every_seed = settings.seconds, settings.every_seed
        if plan:
            _say_incompatible(study)
            if options.engine != "pool":
                say("the time is measured in the local pool; other machines may be faster or slower")
            _print_plan(study, settings.workers or cores(), budget, as_json=as_json)
            return
        # Imported here: the lab needs torch, which takes seconds.
        from localnorm.lab.run.compare import compare as run_study

        if study_file:
            callbacks.append(KeepFile(study_file, folder))
        with started(options) as engine:
            _say_incompatible(study)
            run_to_end(
                lambda all_callbacks: run_study(
                    study, folder, engine, callbacks=all_callbacks, budget=budget, every_seed=every_seed
                ),
                folder,
                callbacks,
            )
            _say_first_look(study, folder, engine.workers)
        show(folder, as_json=as_json, until_error=until_error)


def _refuse(extra: list[str]) -> str:
    """Return the error text for arguments that are no options."""
    if len(extra) == 2 and all(Path(name).is_dir() for name in extra):
        return f"compare runs one study, got two folders; compare them with: localnorm diff {' '.join(extra)}"
    return (
        f"compare takes options only, got {' '.join(extra)}; separate several values by commas, as in "
        "--lr 1e-3,3e-3, name the folder of a study with --out, and compare two studies with localnorm diff A B."
    )


def _settings(given: Mapping[str, Any], file: Path | None) -> StudySettings:
    """Return the defaults, overridden by the file, overridden by the command line."""
    settings = StudySettings(**merged_settings(file, given))
    if "none" not in settings.norms:
        say("none is added to the norms: every other norm is compared with it")
        settings = settings.changed(norms=("none", *settings.norms))
    return settings


def _say_incompatible(study: Study) -> None:
    from localnorm.lab.run.preflight import incompatible_pairs

    for pair in incompatible_pairs(study):
        say(f"{pair.norm} on {pair.task} will have no result: {pair.problem}")


def _say_first_look(study: Study, folder: Path, workers: int) -> None:
    """Say what the first verdict that rests on training needs, if the study ended before it."""
    from localnorm.lab.analysis.schedule import next_blocks
    from localnorm.lab.records.store import Store

    records, _ = Store(folder).read()
    plan = next_blocks(study, records.values())
    if plan.blocks and not plan.decided:
        needed = duration(plan.blocks[0].seconds / workers)
        say(
            f"nothing that rests on training is decided yet: the next step ({plan.blocks[0].what}) takes about "
            f"{needed}; run the same command again with a longer --budget"
        )


def _print_plan(study: Study, workers: int, budget: float | None, *, as_json: bool) -> None:
    """Print the number of trials and the estimated time."""
    from localnorm.lab.run.estimate import estimate

    message = "timing a few steps of each type of trial"
    if not err.is_terminal:
        say(message)
    with err.status(message) as status:
        estimated = estimate(study, workers, lambda done, total: status.update(f"{message}: {done} of {total}"))
    if as_json:
        print_plain(json.dumps(asdict(estimated)))
        return

    def listed(counts: Mapping[str, int]) -> str:
        return ", ".join(f"{count} on {task}" for task, count in counts.items())

    looks = ", ".join(f"{look} after {duration(seconds)}" for look, seconds in estimated.look_seconds.items())
    reached = estimated.looks_within(budget or 0.0)
    lines = [
        (
            f"Pilot: {listed(estimated.pilot_trials)} trials and {counted(estimated.probes, 'probe')}, about "
            f"{duration(estimated.pilot_seconds)} with {counted(workers, 'worker')}."
        ),
        f"Each judged seed: {listed(estimated.judged_trials)} trials for {counted(len(study.norms), 'norm')}.",
        f"Judged seeds, if nothing is decided before: {looks or 'no look'}.",
    ]
    if budget is not None:
        last = f"the look at {reached[-1]} judged seeds at least" if reached else "no look for every norm and row"
        lines.append(f"The budget of {duration(budget)} reaches {last}; decided cells get no more seeds.")
    out.print("\n".join(lines), soft_wrap=True, highlight=False)
