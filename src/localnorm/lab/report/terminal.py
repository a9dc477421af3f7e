"""The final screen of a study: the answer, the article's claims and open questions in at most 45 lines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.table import Table as Grid
from rich.text import Text

from localnorm.lab.analysis.inference import Word
from localnorm.lab.analysis.paired import FEWEST_PAIRS, Verdict
from localnorm.lab.analysis.table import Table, TableRow
from localnorm.lab.measures.generalization import coarse_test
from localnorm.lab.report.advice import summarize
from localnorm.lab.report.contents import Report
from localnorm.lab.report.findings import claims, failures, user_defined, verdict_counts, without_result
from localnorm.lab.report.html import environment
from localnorm.lab.report.links import REPORT_HTML
from localnorm.lab.report.wording import counted, listed, short_criterion, titles

MOST_LINES = 45
"""Lines of the screen; what does not fit is in the report alone."""
MARKS: Mapping[Word, tuple[str, str]] = MappingProxyType(
    {"better": ("+", "green"), "worse": ("-", "red"), "no different": ("=", "cyan"), "undecided": ("?", "yellow")}
)
"""Mark and style of a norm against none."""
_VERDICT_STYLES: Mapping[Verdict, str] = MappingProxyType(
    {"supported": "bold green", "not supported": "bold red", "undecided": "yellow"}
)
_WORDS: Any = environment(autoescape=False).get_template("advice.jinja").module
_CRITERION, _NORM = 15, 10
"""Columns of a criterion and of a norm among the marks."""
_MOST = 3
"""Lines of notes of one type; the report has all."""


def render(report: Report) -> RenderableType:
    """Return the screen: the answer, the claims, the marks of every norm, and notes.

    The marks come before the claims for a study with user-defined norms, models or data. The second of the two is
    left out if the screen would be longer than `MOST_LINES`.
    """
    return _Screen(report)


@dataclass(frozen=True)
class _Screen:
    report: Report

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        report, table = self.report, self.report.table
        answer = _text(
            _WORDS.summary(summarize(table), [*titles([task.name for task in table.study.tasks]).values()]), "bold"
        )
        notes = Group(*map(_text, _notes(report)))
        middle: list[RenderableType] = [_claims(table), marks(table, options.max_width)]
        if user_defined(table.study):
            middle.reverse()
        parts: list[RenderableType] = [answer, *middle, notes]
        while len(parts) > 2 and _lines(console, options, parts) > MOST_LINES:
            del parts[-2]
        for place, part in enumerate(parts):
            if place:
                yield Text()
            yield part


def _lines(console: Console, options: ConsoleOptions, parts: list[RenderableType]) -> int:
    """Return the number of lines of parts with an empty line between them."""
    return len(parts) - 1 + sum(len(console.render_lines(part, options, pad=False)) for part in parts)


def _text(words: str, style: str = "") -> Text:
    """Return text from a record: without markup, and with control characters made visible."""
    return Text("".join(c if c.isprintable() else "?" for c in " ".join(words.split())), style)


def _claims(table: Table) -> RenderableType:
    """Return a line for each of the article's claims that was looked at: verdict, claim, number with interval."""
    lines: list[RenderableType] = []
    unseen = 0
    absent: Counter[str] = Counter()
    for claim in claims(table):
        if claim.seen:
            line = Text(
                f"{claim.verdict:<13}  ", _VERDICT_STYLES[claim.verdict], no_wrap=True, overflow="ellipsis"
            )
            lines.append(
                line.append_text(_text(_WORDS.claim(claim, short_criterion(claim.row.row.name)), "default"))
            )
        elif claim.needs:
            absent[" and ".join(claim.needs)] += 1
        else:
            unseen += 1
    counts = verdict_counts(table)
    total = sum(counts.values())
    if not total:
        return _text("The article has no claim about these norms.", "dim")
    said = f"Of {counted(total, 'claim')}: {', '.join(f'{n} {v}' for v, n in counts.items())}"
    waiting = [f"{n} {'needs' if n == 1 else 'need'} {norms}" for norms, n in absent.items()]
    waiting += [f"{unseen} not looked at yet"] if unseen else []
    said += f" ({', '.join(waiting)})." if waiting else "."
    effect = " e: the smallest effect of a task." if any(len(row.tasks) > 1 for row in table.rows) else ""
    return Group(Text("The article's claims", "bold underline"), *lines, _text(said + effect, "dim"))


def marks(table: Table, width: int, rows: tuple[TableRow, ...] | None = None) -> RenderableType:
    """Return a mark for every norm in every row with a direction, in blocks of norms that fit the width.

    Args:
        table: of the study.
        width: columns.
        rows: some of its rows; by default the overall rows.
    """
    norms = [norm for norm in table.study.norms if norm != "none"]
    fitting = max(1, (width - _CRITERION) // _NORM)
    blocks: list[RenderableType] = []
    for start in range(0, len(norms), fitting):
        grid = Grid.grid(padding=(0, 1, 0, 0))
        grid.add_column(width=_CRITERION - 1, no_wrap=True, overflow="ellipsis")
        shown = norms[start : start + fitting]
        for _ in shown:
            grid.add_column(width=_NORM - 1, no_wrap=True, overflow="ellipsis")
        grid.add_row(Text("against none", "dim"), *(_text(norm, "bold") for norm in shown))
        for row in table.rows if rows is None else rows:
            if row.row.lower_is_better is not None:
                grid.add_row(_text(short_criterion(row.row.name)), *(_mark(row, norm) for norm in shown))
        blocks.append(grid)
    legend = ", ".join(f"{mark} {word}" for word, (mark, _) in MARKS.items())
    return Group(*blocks, _text(f"{legend}, . no result; judged seeds", "dim"))


def _mark(row: TableRow, norm: str) -> Text:
    cell = row.cell(norm)
    if cell.judgement is None or (cell.estimate is None and not cell.judgement.decision.pairs):
        return Text(".", "dim")
    decision = cell.judgement.decision
    mark = Text(*MARKS[decision.word])
    return mark.append(f" {decision.pairs}", "dim") if decision.pairs and row.tasks else mark


def _notes(report: Report) -> Iterator[str]:
    """Yield failures of seeds, what is undecided and why, missing results, the report, and the next command."""
    table, study = report.table, report.table.study
    failed = failures(table)
    yield from (str(_WORDS.failure(failure, len(study.tasks) > 1)) for failure in failed[:_MOST])
    if len(failed) > _MOST:
        yield f"{len(failed) - _MOST} more failures of single seeds are in the report."
    yield str(_WORDS.undecided(report, FEWEST_PAIRS))
    bad = [f"{count:,} {status}" for status, count in report.counts.items() if status != "ok" and count]
    if bad:
        yield f"Jobs without a result: {listed(bad)}, of {counted(len(report.records), 'record')}."
    missing = list(without_result(table).items()) if report.records else []
    for why, rows in missing[:_MOST]:
        first, norms = rows[0]
        more = f" and {counted(len(rows) - 1, 'more row')}" if len(rows) > 1 else ""
        yield _cut(f"No result: {first} ({', '.join(norms)}){more}: {why}")
    yield from (_cut(f"{task.name}: {text}.") for task in study.tasks if (text := coarse_test(task)))
    if report.damaged:
        names = ", ".join(damaged.path.name for damaged in report.damaged[:_MOST])
        yield f"Damaged, so left out: {names}" + (", ..." if len(report.damaged) > _MOST else "")
    yield f"Report: {report.folder / REPORT_HTML}"
    yield str(_WORDS.next_command(report))


def _cut(text: str, most: int = 150) -> str:
    return text if len(text) <= most else text[: most - 3] + "..."
