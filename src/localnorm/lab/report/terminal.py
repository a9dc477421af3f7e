"""The table for a terminal, from 80 columns on; built here, printed by whoever asked for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.padding import Padding
from rich.table import Table as Grid
from rich.text import Text

from localnorm.lab.analysis.statistics import LEVEL
from localnorm.lab.analysis.table import Cell, Table, TableRow
from localnorm.lab.analysis.verdicts import FEWEST_PAIRS, Standing, Verdict
from localnorm.lab.report.advice import UNDECIDED, advise
from localnorm.lab.report.contents import Report
from localnorm.lab.report.findings import shared_rows, undecided, verdict_counts, without_result
from localnorm.lab.report.wording import counted, listed, seeds, smallest_effect

_VERDICT_STYLES: Mapping[Verdict, str] = MappingProxyType(
    {"supported": "bold green", "not supported": "bold red", "undecided": "yellow"}
)
_MARKS: Mapping[Standing, tuple[str, str]] = MappingProxyType(
    {"better": ("+", "green"), "worse": ("-", "red"), "no different": ("=", "cyan"), "undecided": ("?", "yellow")}
)
_WIDE = 108
"""Columns from which on it is said beside every opinion what it was judged as."""
_NAME, _NORM = 17, 9
"""Columns of a criterion's name and of a norm in the matrix."""
_MOST = 8
"""Damaged files and reasons listed; the page lists all."""


def render(report: Report) -> RenderableType:
    """Return the textbook's opinions judged, every norm by every row, overall and of each task, and notes."""
    table = report.table
    parts: list[RenderableType] = [_Opinions(table), Text()]
    parts += [_Matrix(table.study.norms, table.rows, "Every norm by every criterion"), Text()]
    # What only one task has stands above already.
    several = {row.row.name for row in table.rows if len(row.tasks) > 1}
    for section in table.sections:
        rows = tuple(row for row in section.rows if row.row.name in several)
        if rows:
            parts += [_Matrix(table.study.norms, rows, f"On {section.task}"), Text()]
    return Group(*parts, _advice(table), Text(), _notes(report))


def _text(words: str, style: str = "") -> Text:
    """Return text from a record: markup is not read, and what could steer the terminal is made visible."""
    return Text("".join(c if c.isprintable() else "?" for c in " ".join(words.split())), style)


def _heading(words: str) -> Text:
    return Text(words, "bold underline")


@dataclass(frozen=True)
class _Opinions:
    """One line for each of the textbook's opinions, grouped by criterion."""

    table: Table

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        yield _heading("The textbook's opinions, judged")
        wide = options.max_width >= _WIDE
        for row in self.table.rows:
            cells = [cell for cell in row.cells if cell.claim]
            if cells:
                yield Text()
                yield _criterion(row)
                yield Padding(_opinion_grid(cells, wide=wide), (0, 0, 0, 2))
        counts = verdict_counts(self.table)
        if sum(counts.values()):
            told = ", ".join(f"{count} {verdict}" for verdict, count in counts.items())
            yield Text()
            yield _text(f"Of {counted(sum(counts.values()), 'opinion')}: {told}.")
        yield _text(
            f"[low, high] is a {100 * LEVEL:.0f} % interval. Undecided is not the same as no effect.", "dim"
        )


def _criterion(row: TableRow) -> Text:
    effect = "" if row.row.exact else f"; smallest effect {smallest_effect(row.row)}"
    return Text.assemble(_text(row.row.name, "bold"), "  ", _text(f"{row.row.unit}{effect}", "dim"))


def _opinion_grid(cells: list[Cell], *, wide: bool) -> Grid:
    grid = Grid.grid(padding=(0, 2, 0, 0))
    for width in (8, 21, 21, 13):
        grid.add_column(width=width, overflow="fold")
    if wide:
        grid.add_column()
    for cell in cells:
        line = [_text(cell.norm), _text(f'"{cell.claim}"'), _measured(cell), _verdict(cell.verdict)]
        grid.add_row(*line, *([_text(f"judged as: {cell.judged_as}", "dim")] if wide else []))
    return grid


def _measured(cell: Cell) -> Text:
    return _text(cell.measured) if cell.estimate else Text("no result", "dim")


def _verdict(verdict: Verdict | None) -> Text:
    return Text(verdict, _VERDICT_STYLES[verdict]) if verdict else Text()


@dataclass(frozen=True)
class _Matrix:
    """Every norm by every row, cut into blocks of norms that fit the width."""

    norms: tuple[str, ...]
    rows: tuple[TableRow, ...]
    title: str

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        yield _text(self.title, "bold underline")
        fitting = max(1, (options.max_width - _NAME) // _NORM)
        norms = self.norms
        for start in range(0, len(norms), fitting):
            yield Text()
            yield self._block(norms[start : start + fitting])
        marks = ", ".join(f"{mark} {standing}" for standing, (mark, _) in _MARKS.items())
        yield _text(
            f"Against none, by at least the smallest effect: {marks}. An opinion asks one thing of this, so it "
            "may be decided where this is open.",
            "dim",
        )

    def _block(self, norms: tuple[str, ...]) -> Grid:
        grid = Grid.grid(padding=(0, 1, 0, 0))
        grid.add_column(width=_NAME - 1, overflow="fold")
        for _ in norms:
            grid.add_column(width=_NORM - 1, overflow="fold", justify="right")
        grid.add_row("", *(_text(norm, "bold") for norm in norms))
        for row in self.rows:
            name = Text.assemble(_text(row.row.name), "\n", _text(row.row.unit, "dim"))
            grid.add_row(name, *(_entry(row, row.cell(norm)) for norm in norms))
        return grid


def _entry(row: TableRow, cell: Cell) -> Text:
    if cell.estimate is None:
        return Text("no\nresult", "dim")
    value = f"{cell.estimate.value:z.{row.row.decimals}f}"
    if cell.judgement is None or row.row.lower_is_better is None:
        return Text(f"{value}  ")
    mark, style = _MARKS[cell.judgement.standing]
    return Text.assemble(f"{value} ", (mark, style))


def _advice(table: Table) -> RenderableType:
    """Say which norm to use: each answer with its first reason; the page has all reasons and their numbers."""
    grid = Grid.grid(padding=(0, 1, 0, 0))
    for answer in advise(table):
        # The first reason, and of what is undecided the last: how many seeds would decide.
        last = answer.because[1:][-1:] if answer.use == UNDECIDED else ()
        told = " ".join((answer.use, *answer.because[:1], *last))
        grid.add_row("-", Text.assemble(_text(f"{answer.topic}:", "bold"), " ", _text(told)))
    return Group(_heading("Which should I use?"), grid)


def _notes(report: Report) -> RenderableType:
    grid = Grid.grid(padding=(0, 1, 0, 0))
    for note in _each_note(report):
        grid.add_row("-", _text(note))
    return Group(_heading("Notes"), grid)


def _each_note(report: Report) -> Iterator[str]:
    if report.done < report.wanted:
        yield f"unfinished: {report.done:,} of {counted(report.wanted, 'job')} done"
    failed = [f"{count:,} {status}" for status, count in report.counts.items() if status != "ok" and count]
    if failed:
        yield f"not ended well: {listed(failed)}, of {counted(len(report.records), 'record')}"
    for why, rows in list(without_result(report.table).items())[:_MOST]:
        yield f"no result: {_places(rows, report.table)}: {why}"
    if open_ones := undecided(report.table):
        told = "; ".join(f"{row} ({norm}) {seeds(count)}" for row, norm, count in open_ones)
        yield f"seeds that would decide what is undecided, if all is as it looks: {told}"
    if len(report.table.study.seeds) < FEWEST_PAIRS:
        few = counted(len(report.table.study.seeds), "seed")
        yield f"too few seeds: with {few} nothing that depends on a seed can be decided, {FEWEST_PAIRS} can"
    yield "computational cost is that of one run: other work on the machine moves it, and its verdicts with it"
    if report.damaged:
        names = [damaged.path.name for damaged in report.damaged]
        more = f" and {len(names) - _MOST} more" if len(names) > _MOST else ""
        yield f"damaged, so left out: {', '.join(names[:_MOST])}{more}"
    yield "small networks on small images: what holds here need not hold elsewhere"


def _places(rows: list[tuple[str, list[str]]], table: Table) -> str:
    everyone = len(table.study.norms)
    if len(rows) == len(table.rows) + len(shared_rows(table)) and all(len(norms) == everyone for _, norms in rows):
        return "everything"
    told = ((row, "every norm" if len(norms) == everyone else ", ".join(norms)) for row, norms in rows)
    return "; ".join(f"{row} ({norms})" for row, norms in told)
