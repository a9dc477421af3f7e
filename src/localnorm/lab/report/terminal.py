"""The report for a terminal of 80 columns or more."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.padding import Padding
from rich.table import Table as Grid
from rich.text import Text

from localnorm.lab.analysis.paired import FEWEST_PAIRS, Verdict
from localnorm.lab.analysis.statistics import LEVEL
from localnorm.lab.analysis.table import Cell, Table, TableRow
from localnorm.lab.analysis.verdicts import Comparison
from localnorm.lab.measures.generalization import coarse_test
from localnorm.lab.report.advice import Advice, advise
from localnorm.lab.report.contents import Report
from localnorm.lab.report.findings import user_defined, verdict_counts, without_result
from localnorm.lab.report.html import environment
from localnorm.lab.report.wording import counted, listed, smallest_effect, titles

_WORDS = environment(autoescape=False).get_template("advice.jinja")
_VERDICT_STYLES: Mapping[Verdict, str] = MappingProxyType(
    {"supported": "bold green", "not supported": "bold red", "undecided": "yellow"}
)
_MARKS: Mapping[Comparison, tuple[str, str]] = MappingProxyType(
    {"better": ("+", "green"), "worse": ("-", "red"), "no different": ("=", "cyan"), "undecided": ("?", "yellow")}
)
_WIDE = 108
"""Columns from which the opinions have a column for what was judged."""
_NAME, _NORM = 17, 9
"""Columns of a criterion's name and of a norm in the matrix."""
_MOST = 8
"""Damaged files and reasons listed; the page lists all."""


def render(report: Report) -> RenderableType:
    """Return the opinions judged, every norm by every row, the advice and notes.

    The opinions come last for a study with user-defined norms, models or data.
    """
    table = report.table
    answers: list[RenderableType] = [
        _Matrix(table.study.norms, table.rows, "Every norm by every criterion"),
        Text(),
    ]
    names = titles([task.name for task in table.study.tasks])
    for section in table.sections:
        rows = tuple(row for row in section.rows if row in table.repeated_rows)
        if rows:
            answers += [_Matrix(table.study.norms, rows, f"On {names[section.task]}"), Text()]
    answers += [_bullets("Which should I use?", map(_advice, advise(table))), Text()]
    opinions: list[RenderableType] = [_Opinions(table), Text()]
    parts = [*answers, *opinions] if user_defined(table.study) else [*opinions, *answers]
    return Group(*parts, _bullets("Notes", map(_text, _notes(report))))


def advice_text(advice: Advice) -> tuple[str, ...]:
    """Return the answer, its reasons, and over all a line for each norm, as plain text."""
    words: Any = _WORDS.module
    tally = (f"{norm}: {words.tally(found, False)}" for norm, found in advice.tally.items())
    return tuple(" ".join(text.split()) for text in (words.answer(advice), words.reasons(advice), *tally))


def _text(words: str, style: str = "") -> Text:
    """Return text from a record: without markup, and with control characters made visible."""
    return Text("".join(c if c.isprintable() else "?" for c in " ".join(words.split())), style)


def _bullets(heading: str, lines: Iterable[Text]) -> RenderableType:
    grid = Grid.grid(padding=(0, 1, 0, 0))
    for line in lines:
        grid.add_row("-", line)
    return Group(Text(heading, "bold underline"), grid)


@dataclass(frozen=True)
class _Opinions:
    """One line for each of the article's claims, grouped by criterion."""

    table: Table

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        yield Text("The article's claims, judged", "bold underline")
        wide = options.max_width >= _WIDE
        for row in self.table.rows:
            cells = [cell for cell in row.cells if cell.claim]
            if cells:
                effect = "" if row.row.exact else f"; smallest effect {smallest_effect(row.row)}"
                yield Text()
                yield Text.assemble(_text(row.row.name, "bold"), "  ", _text(f"{row.row.unit}{effect}", "dim"))
                yield Padding(_opinion_grid(cells, wide=wide), (0, 0, 0, 2))
        counts = verdict_counts(self.table)
        if total := sum(counts.values()):
            yield Text()
            yield _text(
                f"Of {counted(total, 'claim')}: {', '.join(f'{count} {v}' for v, count in counts.items())}."
            )
        yield _text(
            f"[low, high] is a {100 * LEVEL:.0f} % interval. Undecided is not the same as no effect.", "dim"
        )


def _opinion_grid(cells: list[Cell], *, wide: bool) -> Grid:
    grid = Grid.grid(padding=(0, 2, 0, 0))
    for width in (8, 21, 21, 13):
        grid.add_column(width=width, overflow="fold")
    if wide:
        grid.add_column()
    for cell in cells:
        measured = _text(cell.measured) if cell.estimate else Text("no result", "dim")
        verdict = Text(cell.verdict, _VERDICT_STYLES[cell.verdict]) if cell.verdict else Text()
        judged_as = [_text(f"judged as: {cell.judged_as}", "dim")] if wide else []
        grid.add_row(_text(cell.norm), _text(f'"{cell.claim}"'), measured, verdict, *judged_as)
    return grid


@dataclass(frozen=True)
class _Matrix:
    """Every norm by every row, cut into blocks of norms that fit the width."""

    norms: tuple[str, ...]
    rows: tuple[TableRow, ...]
    title: str

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        yield _text(self.title, "bold underline")
        fitting = max(1, (options.max_width - _NAME) // _NORM)
        for start in range(0, len(self.norms), fitting):
            yield Text()
            yield self._block(self.norms[start : start + fitting])
        marks = ", ".join(f"{mark} {comparison}" for comparison, (mark, _) in _MARKS.items())
        yield _text(
            f"Against none: {marks}. The article's claims are narrower "
            "questions, so one may be decided where this table shows ?.",
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
    return Text.assemble(f"{value} ", _MARKS[cell.judgement.comparison])


def _advice(advice: Advice) -> Text:
    return Text.assemble(_text(f"{advice.topic}:", "bold"), " ", _text(" ".join(advice_text(advice))))


def _notes(report: Report) -> Iterator[str]:
    table, study = report.table, report.table.study
    if report.done < report.wanted:
        yield f"unfinished: {report.done:,} of {counted(report.wanted, 'job')} done"
    failed = [f"{count:,} {status}" for status, count in report.counts.items() if status != "ok" and count]
    if failed:
        yield f"without a result: {listed(failed)}, of {counted(len(report.records), 'record')}"
    for why, rows in list(without_result(table).items())[:_MOST]:
        yield f"no result: {_places(rows, table)}: {why}"
    if len(study.seeds) < FEWEST_PAIRS:
        few = counted(len(study.seeds), "seed")
        yield (
            f"too few seeds: with {few} nothing that depends on a seed can be decided; verdicts start at "
            f"{FEWEST_PAIRS}: run localnorm compare --seeds {FEWEST_PAIRS}, or without --seeds"
        )
    yield from (f"{task.name}: {text}" for task in study.tasks if (text := coarse_test(task)))
    yield "computational cost comes from a single timing run; background load can change it and its verdicts"
    if report.damaged:
        names = [damaged.path.name for damaged in report.damaged]
        more = f" and {len(names) - _MOST} more" if len(names) > _MOST else ""
        yield f"damaged, so left out: {', '.join(names[:_MOST])}{more}"
    yield "small networks on small images: the results need not hold elsewhere"


def _places(rows: list[tuple[str, list[str]]], table: Table) -> str:
    everyone = len(table.study.norms)
    all_rows = len(table.rows) + len(table.repeated_rows)
    if len(rows) == all_rows and all(len(norms) == everyone for _, norms in rows):
        return "everything"
    norms = ((row, "every norm" if len(norms) == everyone else ", ".join(norms)) for row, norms in rows)
    return "; ".join(f"{row} ({names})" for row, names in norms)
