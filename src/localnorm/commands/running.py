"""Run a study or search from the command line, with progress, and stop at Ctrl-C."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from pathlib import Path

import typer

from localnorm.commands.console import INTERRUPTED, counted, say
from localnorm.commands.progress import ProgressDisplay
from localnorm.lab.monitoring.callback import Callback, RunStart
from localnorm.lab.records.record import Record
from localnorm.lab.records.store import write_atomically


class KeepFile(Callback):
    """Copy the file of settings into the folder, once the folder is claimed."""

    def __init__(self, file: Path, folder: Path) -> None:
        self._file, self._folder = file, folder

    def run_started(self, start: RunStart) -> None:
        """Copy it."""
        del start
        write_atomically(self._folder / "study.toml", self._file.read_text(encoding="utf-8"))


def loggers(names: str | None, folder: Path) -> list[Callback]:
    """Return the loggers that ``--log`` names, separated by commas."""
    from localnorm.lab.monitoring.loggers import make_loggers

    return make_loggers([name.strip() for name in names.split(",")] if names else [], folder)


def run_to_end(
    start: Callable[[Sequence[Callback]], Generator[Record]], folder: Path, callbacks: Sequence[Callback] = ()
) -> None:
    """Run what is missing, with a progress display.

    Args:
        start: starts the run with some callbacks and yields its records.
        folder: of the results.
        callbacks: called at each step, beside the display.

    Raises:
        typer.Exit: code 130, if the user interrupts the run.
    """
    display = ProgressDisplay(folder)
    records = start((display, *callbacks))
    try:
        for _ in records:
            pass
    except KeyboardInterrupt:
        # Closed first, which stops the display.
        records.close()
        kept = f"{counted(display.count, 'more job')} {'is' if display.count == 1 else 'are'} kept in {folder}"
        say(f"interrupted; {kept}; run the same command again to resume")
        raise typer.Exit(INTERRUPTED) from None
    finally:
        records.close()
