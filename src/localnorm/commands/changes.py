"""localnorm compare A B: what two finished studies say differently."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from localnorm.commands.console import say
from localnorm.errors import LabError

if TYPE_CHECKING:
    from localnorm.lab.analysis.diff import Change
    from localnorm.lab.analysis.statistics import Estimate
    from localnorm.lab.analysis.table import Table

SAME, DIFFERENT = 0, 1


def show_changes(first: Path, second: Path) -> int:
    """Print two studies side by side; return 0 where no verdict differs and 1 where one does.

    Raises:
        LabError: one of them is not finished, or they have nothing in common.
    """
    from localnorm.lab.analysis.diff import changes

    found = changes(_finished(first), _finished(second))
    lines = [f"A: {first}", f"B: {second}", "B minus A, with a 95 % interval; verdicts of A and of B."]
    for letter, only in zip("AB", found.only, strict=True):
        lines += [f"only in {letter}: {name}" for name in only]
    for (row, tasks), cells in groupby(found.cells, key=lambda cell: (cell.row, cell.tasks)):
        of = f" ({', '.join(tasks)})" if tasks else ""
        lines += ["", f"{row.name}{of}, {row.unit}", *(_line(cell) for cell in cells)]
    told = f"{len(found.differing)} of {sum(cell.verdicts[0] is not None for cell in found.cells)} verdicts differ"
    lines += ["", told + (":" if found.differing else ".")]
    lines += [f"  {c.row.name}, {c.norm}: {c.verdicts[0]} -> {c.verdicts[1]}" for c in found.differing]
    for line in lines:
        print("".join(c if c.isprintable() else "?" for c in line))  # noqa: T201  what was asked for
    return DIFFERENT if found.differing else SAME


def _finished(folder: Path) -> Table:
    from localnorm.lab.report import read_report

    report = read_report(folder)
    if report.done < report.wanted:
        raise LabError(
            f"a study must be finished to be compared with another, got {folder}, where {report.done} of "
            f"{report.wanted} jobs are done; run localnorm compare --out {folder} with its settings first."
        )
    if report.damaged:
        say(f"damaged, left out: {', '.join(str(damaged.path) for damaged in report.damaged)}")
    return report.table


def _line(cell: Change) -> str:
    decimals = cell.row.decimals

    def shown(found: Estimate | None) -> str:
        return "no result" if found is None else f"{found.value:z.{decimals}f}"

    parts = [f"  {cell.norm}: {shown(cell.values[0])} -> {shown(cell.values[1])}"]
    if cell.difference is not None and not cell.row.exact:
        apart = cell.difference
        parts.append(f"{apart.value:+z.{decimals}f} [{apart.low:z.{decimals}f}, {apart.high:z.{decimals}f}]")
    if cell.verdicts[0] is not None:
        parts.append(f"{cell.verdicts[0]} -> {cell.verdicts[1]}" if cell.differs else f"{cell.verdicts[0]}")
    return "  ".join(parts)
