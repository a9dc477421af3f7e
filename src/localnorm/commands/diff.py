"""localnorm diff: compare the results of two studies."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from localnorm.commands.console import errors_end_the_command, print_plain
from localnorm.errors import LabError

if TYPE_CHECKING:
    from localnorm.lab.analysis.diff import Change
    from localnorm.lab.analysis.statistics import Estimate
    from localnorm.lab.analysis.table import Table

SAME, DIFFERENT = 0, 1


def diff(
    first: Annotated[Path, typer.Argument(help="Folder of a study with results.", metavar="A")],
    second: Annotated[Path, typer.Argument(help="Folder of another.", metavar="B")],
) -> None:
    """Compare the results of two studies, without training; exit with 1 if a verdict differs."""
    with errors_end_the_command():
        raise typer.Exit(show_diff(first, second))


def show_diff(first: Path, second: Path) -> int:
    """Print the differences of two studies; return 1 if a verdict differs, else 0.

    Raises:
        LabError: one of them has no results, or they have nothing in common.
    """
    from localnorm.lab.analysis.diff import changes

    found = changes(_with_results(first), _with_results(second))
    lines = [f"A: {first}", f"B: {second}", "B minus A, with a 95 % interval; verdicts of A and of B."]
    for letter, names in zip("AB", found.only, strict=True):
        lines += [f"only in {letter}: {name}" for name in names]
    for (row, tasks), cells in groupby(found.cells, key=lambda cell: (cell.row, cell.tasks)):
        task_names = f" ({', '.join(tasks)})" if tasks else ""
        lines += ["", f"{row.name}{task_names}, {row.unit}", *(_line(cell) for cell in cells)]
    judged = sum(cell.verdicts[0] is not None for cell in found.cells)
    lines += ["", f"{len(found.differing)} of {judged} verdicts differ" + (":" if found.differing else ".")]
    lines += [f"  {c.row.name}, {c.norm}: {c.verdicts[0]} -> {c.verdicts[1]}" for c in found.differing]
    print_plain("\n".join(line.replace("\n", "?") for line in lines))
    return DIFFERENT if found.differing else SAME


def _with_results(folder: Path) -> Table:
    from localnorm.lab.report import read_report

    report = read_report(folder)
    if not report.records:
        raise LabError(
            f"a study must have results to be compared with another, got {folder} without a record; run localnorm "
            f"compare --out {folder} with its settings first."
        )
    return report.table


def _line(cell: Change) -> str:
    decimals = cell.row.decimals

    def shown(value: Estimate | None) -> str:
        return "no result" if value is None else f"{value.value:z.{decimals}f}"

    parts = [f"  {cell.norm}: {shown(cell.values[0])} -> {shown(cell.values[1])}"]
    if cell.difference is not None and not cell.row.exact:
        change = cell.difference
        parts.append(f"{change.value:+z.{decimals}f} [{change.low:z.{decimals}f}, {change.high:z.{decimals}f}]")
    if cell.verdicts[0] is not None:
        parts.append(f"{cell.verdicts[0]} -> {cell.verdicts[1]}" if cell.differs else f"{cell.verdicts[0]}")
    return "  ".join(parts)
