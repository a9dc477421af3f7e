"""localnorm tune: search a norm's hyperparameters and compare the best setting on test data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from localnorm.commands.console import counted, duration, errors_end_the_command, out, print_plain, say
from localnorm.commands.options import settings_options
from localnorm.commands.report import show_tuned
from localnorm.commands.running import KeepFile, loggers, run_to_end
from localnorm.errors import LabError
from localnorm.lab.engines.choice import check_cluster, cores, started
from localnorm.lab.plugins import current_folder_on_path
from localnorm.lab.run.settings import SearchSettings, make_search_task, merged_settings

if TYPE_CHECKING:
    from localnorm.lab.tuning.tuning import Tuning


@settings_options(SearchSettings)
def tune(
    given: Mapping[str, Any],
    study_file: Annotated[
        Path | None, typer.Option("--study", help="TOML file of settings; the command line overrides it.")
    ] = None,
    log: Annotated[
        str | None,
        typer.Option(help="Also log trials to tensorboard and/or mlflow (comma-separated).", metavar="NAME,..."),
    ] = None,
    plan: Annotated[
        bool,
        typer.Option("--plan", help="Time a few steps of a trial and print an estimate; run nothing."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the results, or the plan, as JSON.")] = False,
) -> None:
    """Search a norm's hyperparameters and the learning rate; print the best as a line of code, write the report.

    Run the same command again to resume. Validation data decide the choice; test data, with other seeds, only
    measure it.
    """
    with errors_end_the_command(), current_folder_on_path():
        settings = SearchSettings(**merged_settings(study_file, given))
        folder = Path(settings.out or "tune" + ("-smoke" if settings.smoke else ""))
        callbacks = loggers(log, folder)
        if study_file:
            callbacks.append(KeepFile(study_file, folder))
        if not plan:
            check_cluster(settings.engine_options)
        tuning = _tuning(settings)
        if not tuning.space:
            say(f"{tuning.norm} has no hyperparameters: only the learning rate is searched")
        if plan:
            _print_plan(tuning, settings.workers or cores(), as_json=as_json)
            return
        from localnorm.lab.run.tune import tune as run_search

        timeout = settings.timeout or inf
        with started(settings.engine_options) as engine:
            run_to_end(
                lambda all_callbacks: run_search(tuning, folder, engine, timeout=timeout, callbacks=all_callbacks),
                folder,
                callbacks,
            )
        show_tuned(folder, as_json=as_json)


def _tuning(settings: SearchSettings) -> Tuning:
    """Return the search, with all its settings checked."""
    task = make_search_task(settings)
    # Imported here: a misspelt name does not wait for torch.
    from localnorm.lab.run.preflight import incompatible_pairs
    from localnorm.lab.run.tune import make_tuning
    from localnorm.lab.study.study import Study

    norm = settings.norm or ""
    tuning = make_tuning(task, norm, settings.sampler, *settings.counts)
    for pair in incompatible_pairs(Study((task,), tuple(dict.fromkeys(("none", norm))), (0,))):
        raise LabError(
            f"a norm to search must fit the model, got {pair.norm} on {pair.task}: {pair.problem}; "
            "choose another norm."
        )
    return tuning


def _print_plan(tuning: Tuning, workers: int, *, as_json: bool) -> None:
    """Print the number of trials and the estimated time."""
    from localnorm.lab.run.estimate import estimate_search

    say("timing a few steps of a trial in the local pool")
    estimated = estimate_search(tuning, workers)
    if as_json:
        print_plain(json.dumps(asdict(estimated)))
        return
    out.print(
        f"At most {estimated.search} trials of the search, {estimated.choice} more to choose among the best and "
        f"{estimated.comparison} on test data, about {duration(estimated.seconds)} with "
        f"{counted(workers, 'worker')}.",
        soft_wrap=True,
        highlight=False,
    )
