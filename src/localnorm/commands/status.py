"""localnorm status: how far a study is, from another terminal."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from localnorm.commands.console import errors_end_the_command

if TYPE_CHECKING:
    from localnorm.lab.monitoring.status import Status


def status(
    folder: Annotated[Path, typer.Argument(help="The folder that localnorm compare writes to.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> None:
    """Say how far a study is that runs, has ended or was killed; only reads its folder."""
    from localnorm.lab.monitoring.status import read_status

    with errors_end_the_command():
        found = read_status(folder)
    shown = json.dumps({**asdict(found), "failed": found.failed}) if as_json else "\n".join(lines(found))
    print("".join(c if c.isprintable() or c == "\n" else "?" for c in shown))  # noqa: T201  what was asked for


def lines(found: Status) -> list[str]:
    """Return what a person is told."""
    if found.total is None:
        return [f"{found.done} records; no run of it is known here"]
    by_status = ", ".join(f"{count} {name}" for name, count in found.statuses.items())
    rest = found.total - found.done - (len(found.running) if found.state == "running" else 0)
    counted = f"{found.done} of {found.total} jobs done" + (f" ({by_status})" if by_status else "")
    told = [f"{found.state}: {counted}"]
    if found.why:
        told.append(f"it ended with {found.why}")
    if found.state == "running":
        told[0] += f", {len(found.running)} running, {rest} to go"
    if found.state == "on another machine":
        told.append(f"its last event is {duration(found.silent)} old")
    told.append(f"{duration(found.seconds)} with {found.workers} workers" + speed(found))
    verb = "runs" if found.state == "running" else "was running"
    return told + [f"{verb}: {job.what} ({duration(job.seconds)})" for job in found.running]


def speed(found: Status) -> str:
    """Return the rate of a run and, where it goes on, the time left."""
    if found.progress.per_minute is None:
        return ""
    left = found.progress.seconds_left
    goes_on = found.state in ("running", "on another machine") and left is not None
    return f", {found.progress.per_minute:.1f} jobs a minute" + (
        f", {duration(left or 0)} left" if goes_on else ""
    )


def duration(seconds: float) -> str:
    """Return a time in words.

    Example:
        >>> duration(9.7), duration(100), duration(5400)
        ('10 s', '1.7 minutes', '1.5 hours')
    """
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} minutes" if seconds < 3600 else f"{seconds / 3600:.1f} hours"
