"""Answers to "which norm should I use?" as data, from the verdicts; templates/advice.jinja words them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from localnorm.lab.analysis.paired import compare
from localnorm.lab.analysis.statistics import Estimate
from localnorm.lab.analysis.table import Cell, Section, Table, TableRow
from localnorm.lab.measures import batch_dependence, generalization, robustness, sensitivity
from localnorm.lab.measures.probes import COST, FLEXIBILITY
from localnorm.lab.measures.select import NOT_RUN, TOO_FEW
from localnorm.lab.measures.suitability import ROWS as SUITABILITY
from localnorm.lab.report.wording import listed, titles

NONE = "none"
Answer = Literal["over all", "use", "best", "none better", "undecided", "no result"]
Groups = Mapping[str, Sequence[str]]
"""Norms by comparison result."""
_COMPARISONS = ("better", "worse", "no different", "undecided", "no result")
_MAIN = (generalization.NAME, *SUITABILITY.values())
"""The rows of a task's test error."""
_TOPICS: Mapping[str, str] = MappingProxyType(
    {
        batch_dependence.NAME: "Small and large batches",
        robustness.NAME: "Noisy data",
        sensitivity.NAME: "Little time to tune",
        COST.name: "Cost",
        FLEXIBILITY.name: "Unusual inputs",
    }
)


@dataclass(frozen=True)
class Ground:
    """A number that an answer rests on.

    Attributes:
        row: its row.
        cell: its cell.
        than: the norm that is subtracted; empty for the cell's own number.
        estimate: the number.
    """

    row: TableRow
    cell: Cell
    than: str
    estimate: Estimate


@dataclass(frozen=True)
class Advice:
    """An answer to "which should I use?" in one respect.

    Attributes:
        topic: the respect.
        answer: the type of answer.
        norms: the norms it names, the best first.
        row: the criterion; None over all.
        against_none: the norms by comparison with none.
        against_others: the norms by comparison with the best one: behind, level, undecided.
        tally: over all, for each norm the criteria by comparison with none.
        reasons: for a missing result.
        gain: whether the named undecided norms look better than none.
        grounds: the numbers behind it.
    """

    topic: str
    answer: Answer
    norms: tuple[str, ...] = ()
    row: TableRow | None = None
    against_none: Groups = field(default_factory=dict)
    against_others: Groups = field(default_factory=dict)
    tally: Mapping[str, Mapping[str, Sequence[str]]] = field(default_factory=dict)
    reasons: tuple[str, ...] = ()
    gain: bool = True
    grounds: tuple[Ground, ...] = ()


def advise(table: Table) -> tuple[Advice, ...]:
    """Return the answers of the whole study: over all, for each task, and for each further criterion."""
    names = titles([task.name for task in table.study.tasks])
    means = (
        _row_advice(row, f"{row.row.name.capitalize()}, over {listed([names[task] for task in row.tasks])}")
        for row in table.rows
        if row.row.name in _MAIN and len(row.tasks) > 1
    )
    tasks = (
        _row_advice(row, f"On {names[s.task]}") for s in table.sections for row in s.rows if row.row.name in _MAIN
    )
    others = (_row_advice(row) for row in _directed(table.rows) if row.row.name not in _MAIN)
    return (_overall(table, names), *means, *tasks, *others)


def summarize(table: Table) -> tuple[Advice, ...]:
    """Return the answer of each overall row with a direction, those of the test error first."""
    rows = sorted(_directed(table.rows), key=lambda row: (*_MAIN, row.row.name).index(row.row.name))
    return tuple(map(_row_advice, rows))


def advise_on(section: Section, title: str) -> tuple[Advice, ...]:
    """Return the answers of one task, one for each of its criteria, that of the test error first."""
    rows = sorted(section.rows, key=lambda row: row.row.name not in _MAIN)
    return tuple(_row_advice(row, "" if i else f"On {title}") for i, row in enumerate(rows))


def _directed(rows: Sequence[TableRow]) -> list[TableRow]:
    return [row for row in rows if row.row.lower_is_better is not None]


def _overall(table: Table, titled: Mapping[str, str]) -> Advice:
    """Count for each norm the criteria in which it is better or worse than none, cost and flexibility included.

    Named are the norms that are better on some task and worse on none: every layer costs more than no layer.
    """
    on_tasks = [row for section in table.sections for row in section.rows]
    rows = on_tasks + [row for row in _directed(table.rows) if not row.tasks]
    compared = {n: [_comparison(row.cell(n)) for row in rows] for n in table.study.norms if n != NONE}
    names = [" on ".join([row.row.name, *(titled[task] for task in row.tasks)]) for row in rows]
    tally = {
        norm: {
            comparison: [name for name, c in zip(names, found, strict=True) if c == comparison]
            for comparison in _COMPARISONS
            if comparison in found
        }
        for norm, found in compared.items()
    }
    compared = {norm: found[: len(on_tasks)] for norm, found in compared.items()}
    safe = [norm for norm, found in compared.items() if "better" in found and "worse" not in found]
    safe.sort(key=lambda norm: -compared[norm].count("better"))
    better = ((row, row.cell(norm)) for norm in safe for row in on_tasks)
    return Advice(
        "Over all",
        "over all" if any({*found} - {"undecided", "no result"} for found in compared.values()) else "undecided",
        tuple(safe),
        tally={norm: tally[norm] for norm in sorted(tally, key=lambda norm: norm not in safe)},
        grounds=tuple(
            g for row, cell in better if _comparison(cell) == "better" for g in _differences(row, [cell])
        ),
    )


def _row_advice(row: TableRow, topic: str = "") -> Advice:
    """Return the answer of one row: against none, and between the norms that are better."""
    topic = topic or _TOPICS.get(row.row.name, row.row.name.capitalize())
    known = [cell for cell in row.cells if cell.norm != NONE and cell.estimate]
    if not known:
        reasons = {cell.measured for cell in row.cells if cell.norm != NONE}
        return Advice(topic, "no result", row=row, reasons=tuple(sorted(reasons)))
    if row.row.name in (COST.name, FLEXIBILITY.name):
        best, others = _against_best(row, known, known)
        others = {} if row.row.exact else others
        values = tuple(Ground(row, cell, "", cell.estimate) for cell in best if cell.estimate)
        return Advice(topic, "best", _names(best), row, against_others=others, grounds=values)
    if not row.cell(NONE).estimate:
        return Advice(topic, "no result", row=row, reasons=(f"none, the baseline: {row.cell(NONE).measured}",))
    groups: dict[str, list[str]] = {}
    for cell in known:
        groups.setdefault(_comparison(cell), []).append(cell.norm)
    better, unclear = ([c for c in known if c.norm in groups.get(name, ())] for name in ("better", "undecided"))
    if better:
        best, others = _against_best(row, better, known)
        return Advice(topic, "use", _names(best), row, groups, others, grounds=_differences(row, better))
    if not unclear and any(cell.measured in (NOT_RUN, TOO_FEW) for cell in row.cells):
        return Advice(topic, "undecided", row=row, against_none=groups)
    if not unclear:
        return Advice(topic, "none better", (), row, groups, grounds=_differences(row, known))
    # Rounded as shown, so that of two equal numbers neither is preferred.
    gains = {cell.norm: round(_gain(row, cell), row.row.decimals) for cell in unclear}
    most = max(gains.values())
    best = [cell for cell in unclear if gains[cell.norm] == most]
    return Advice(topic, "undecided", _names(best), row, groups, gain=most > 0, grounds=_differences(row, best))


def _names(cells: Sequence[Cell]) -> tuple[str, ...]:
    return tuple(cell.norm for cell in cells)


def _differences(row: TableRow, cells: Sequence[Cell]) -> tuple[Ground, ...]:
    found = ((cell, cell.judgement.difference) for cell in cells if cell.judgement)
    return tuple(Ground(row, cell, NONE, difference) for cell, difference in found if difference)


def _comparison(cell: Cell) -> str:
    return cell.judgement.comparison if cell.judgement and cell.estimate else "no result"


def _against_best(row: TableRow, candidates: Sequence[Cell], known: Sequence[Cell]) -> tuple[list[Cell], Groups]:
    """Compare the candidate with the best number with every other norm.

    It was picked for its number, so the comparisons are corrected for all pairs of norms.

    Returns:
        The candidates that are not behind the best one, it first; and the norms by comparison with it.
    """
    sign = 1 if row.row.lower_is_better else -1
    best = min(candidates, key=lambda cell: sign * (cell.estimate.value if cell.estimate else 0.0))
    pairs = max(1, len(known) * (len(known) - 1) // 2)
    groups: dict[str, list[str]] = {"behind": [], "level": [], "undecided": []}
    for cell in known:
        if cell is not best:
            step = max(cell.resolution, best.resolution)
            sides = (cell.norm, cell.values), (best.norm, best.values)
            word = compare(row.row, *sides, family=pairs, resolution=step).decision.word
            groups[{"worse": "behind", "undecided": "undecided"}.get(word, "level")].append(cell.norm)
    level = [cell for cell in candidates if cell is not best and cell.norm not in groups["behind"]]
    return [best, *level], groups


def _gain(row: TableRow, cell: Cell) -> float:
    """Return by how much a norm is better than none; 0 without a common pair."""
    found = cell.judgement.difference if cell.judgement else None
    return 0.0 if found is None else -found.value if row.row.lower_is_better else found.value
