"""localnorm status: show the progress of a study or search."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from localnorm.commands.console import DEFAULT_FOLDER, counted, duration, errors_end_the_command, print_plain

if TYPE_CHECKING:
    from localnorm.lab.monitoring.status import RunStatus


def status(
    folder: Annotated[Path, typer.Argument(help="Folder of localnorm compare or tune.")] = Path(DEFAULT_FOLDER),
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show the progress of a running, finished or killed study or search (read-only)."""
    with errors_end_the_command():
        from localnorm.lab.monitoring.status import read_status

        found = read_status(folder)
        verdicts = _decided(folder)
    if as_json:
        print_plain(json.dumps({**asdict(found), "failed": found.failed, **(verdicts or {})}))
    else:
        text = lines(found)
        if verdicts:
            text.append(f"{verdicts['decided']} of {verdicts['comparisons']} comparisons with none are decided")
        print_plain("\n".join(text))


def _decided(folder: Path) -> dict[str, int] | None:
    """Return how many comparisons that rest on training a study has decided; None for a search."""
    from localnorm.lab.study.folder import TUNING_FILE, held_file

    if held_file(folder) == TUNING_FILE:
        return None
    from localnorm.lab.report import read_report

    report = read_report(folder)
    return {"decided": report.decided, "comparisons": report.comparisons}


def lines(status: RunStatus) -> list[str]:
    """Return the status in words."""
    if status.total is None:
        return [f"{counted(status.done, 'record')}; no run is known here"]
    by_status = ", ".join(f"{count} {name}" for name, count in status.statuses.items())
    head = f"{status.state}: {status.done} of {counted(status.total, 'job')} done"
    text = [head + (f" ({by_status})" if by_status else "")]
    if status.why:
        text.append(f"it ended with {status.why}")
    if status.state == "running":
        stage = f", {status.stage}" if status.stage else ""
        waiting = status.total - status.done - len(status.running)
        text[0] += f"{stage}, {len(status.running)} running, {waiting} waiting"
    if status.state == "on another machine":
        text.append(f"its last event was {duration(status.silent)} ago")
    text.append(f"{duration(status.seconds)} with {counted(status.workers, 'worker')}" + _speed(status))
    label = "running" if status.state == "running" else "was running"
    return text + [f"{label}: {job.what} ({duration(job.seconds)})" for job in status.running]


def _speed(status: RunStatus) -> str:
    """Return the speed of a run and, if it is active, the time left."""
    pace = status.progress
    if pace.per_minute is None:
        return ""
    active = status.state in ("running", "on another machine") and pace.seconds_left is not None
    left = f", {duration(pace.seconds_left or 0)} left" if active else ""
    return f", {pace.per_minute:.1f} jobs per minute{left}"
