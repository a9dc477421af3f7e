"""localnorm tune: search a norm's hyperparameters and compare the best setting on test data."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from localnorm.commands.console import errors_end_the_command, say
from localnorm.commands.options import settings_options
from localnorm.commands.report import show_tuned
from localnorm.commands.running import loggers, run_to_end
from localnorm.errors import LabError
from localnorm.lab.engines.choice import check_cluster, started
from localnorm.lab.plugins import current_folder_on_path
from localnorm.lab.run.settings import SearchSettings, make_search_task

if TYPE_CHECKING:
    from localnorm.lab.tuning.tuning import Tuning


@settings_options(SearchSettings)
def tune(
    given: Mapping[str, Any],
    log: Annotated[
        str | None,
        typer.Option(help="Also log trials to tensorboard and/or mlflow (comma-separated).", metavar="NAME,..."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the results as JSON.")] = False,
) -> None:
    """Search a norm's hyperparameters and the learning rate; print the best as a line of code, write the report.

    Run the same command again to resume. Validation data decide the choice; test data, with other seeds, only
    measure it.
    """
    with errors_end_the_command(), current_folder_on_path():
        settings = SearchSettings(**given)
        folder = Path(settings.out or "tune")
        callbacks = loggers(log, folder)
        check_cluster(settings.engine_options)
        tuning = _tuning(settings)
        if not tuning.space:
            say(f"{tuning.norm} has no hyperparameters: only the learning rate is searched")
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
    tuning = make_tuning(task, norm, settings.sampler, settings.trials or 0, settings.seeds or 0)
    for pair in incompatible_pairs(Study((task,), tuple(dict.fromkeys(("none", norm))), (0,))):
        raise LabError(
            f"a norm to search must fit the model, got {pair.norm} on {pair.task}: {pair.problem}; "
            "choose another norm."
        )
    return tuning
