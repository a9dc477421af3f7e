"""Which norm to use, in sentences that are never more certain than the verdicts they rest on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from localnorm.lab.analysis.paired import Difference, between, decide
from localnorm.lab.analysis.statistics import Estimate
from localnorm.lab.analysis.table import Cell, Section, Table, TableRow
from localnorm.lab.measures import (
    batch_dependence,
    cost,
    difference_unit,
    feature_learning,
    flexibility,
    generalization,
    robustness,
    sensitivity,
)
from localnorm.lab.measures.suitability import ROWS as SUITABILITY
from localnorm.lab.report.wording import counted, difference_of, listed, seeds, smallest_effect

NONE = "none"
UNDECIDED = "Undecided."
"""What is used where the verdicts do not say."""
_NO_RESULT = "no result"
_MAIN = (generalization.NAME, *SUITABILITY.values())
"""The rows that say how well a task is learned."""
_BETTER: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        generalization.NAME: ("lowers", "the test error of none"),
        feature_learning.NAME: ("lowers", "the linear-probe error of none"),
        robustness.NAME: ("lowers", "the error of none under corruptions"),
        sensitivity.NAME: ("loses", "less by its defaults than none"),
        batch_dependence.NAME: ("depends", "less on the batch size than none"),
        **dict.fromkeys(SUITABILITY.values(), ("lowers", "the test error of none")),
    }
)
_TOPICS: Mapping[str, str] = MappingProxyType(
    {
        batch_dependence.NAME: "Small and large batches",
        robustness.NAME: "Noisy data",
        sensitivity.NAME: "Little time to tune",
        cost.ROW.name: "Cost",
        flexibility.ROW.name: "Unusual inputs",
    }
)


@dataclass(frozen=True)
class Ground:
    """A difference that a sentence rests on.

    Attributes:
        row: where it stands.
        more: the cell that it is of.
        than: the norm that is taken away; empty where the cell's own number is meant.
        difference: that number.
        pairs: how many seeds (or rounds of timing) it rests on.
    """

    row: TableRow
    more: Cell
    than: str
    difference: Estimate
    pairs: int

    @property
    def told(self) -> str:
        """What the difference is of: the criterion, its task and the norms."""
        on = f" on {listed(self.row.tasks)}" if self.row.tasks else ""
        return f"{self.row.row.name}{on}, {difference_of(self.more.norm, self.than)}"

    @property
    def unit(self) -> str:
        """Of the difference."""
        return difference_unit(self.row.row.unit) if self.than else self.row.row.unit


@dataclass(frozen=True)
class Advice:
    """An answer to "which should I use?" in one respect.

    Attributes:
        topic: the respect.
        use: what to use, or that it is undecided.
        because: why, in sentences.
        grounds: the numbers behind it.
    """

    topic: str
    use: str
    because: tuple[str, ...] = ()
    grounds: tuple[Ground, ...] = ()


@dataclass
class _Field:
    """The norms of a row, by how they stand against the one with the best number."""

    leader: Cell
    behind: list[str] = field(default_factory=list)
    level: list[str] = field(default_factory=list)
    open: dict[str, int | None] = field(default_factory=dict)


def advise(table: Table) -> tuple[Advice, ...]:
    """Return the answers of the whole study: over all, for each task, and for each further criterion.

    Args:
        table: judged.
    """
    tasks = (_row_advice(row, f"On {s.task}") for s in table.sections for row in s.rows if row.row.name in _MAIN)
    others = (
        _row_advice(row, _TOPICS.get(row.row.name, row.row.name.capitalize()))
        for row in table.rows
        if row.row.name not in _MAIN and row.row.lower_is_better is not None
    )
    means = (
        _row_advice(row, f"{row.row.name.capitalize()}, over {listed(row.tasks)}")
        for row in table.rows
        if row.row.name in _MAIN and len(row.tasks) > 1
    )
    return (_overall(table), *means, *tasks, *others)


def advise_on(section: Section) -> tuple[Advice, ...]:
    """Return the answers of one task, one for each of its criteria."""
    return tuple(
        _row_advice(row, _TOPICS.get(row.row.name, row.row.name.capitalize()) if i else f"On {section.task}")
        for i, row in enumerate(sorted(section.rows, key=lambda row: row.row.name not in _MAIN))
    )


def _overall(table: Table) -> Advice:
    """Say which norms stand better than none somewhere and worse nowhere, over every task and criterion."""
    rows = [row for section in table.sections for row in section.rows]
    tally = {
        norm: {
            standing: [_place(row) for row in rows if _stands(row.cell(norm)) == standing]
            for standing in ("better", "worse", "no different", "undecided", _NO_RESULT)
        }
        for norm in table.study.norms
        if norm != NONE
    }
    if not rows or not tally:
        return Advice("Over all", "Nothing to choose between.")
    decided = {
        norm: found
        for norm, found in tally.items()
        if len(found["undecided"]) + len(found[_NO_RESULT]) < len(rows)
    }
    if not decided:
        return Advice("Over all", UNDECIDED, ("On no task and in no criterion is any norm told from none.",))
    safe = [norm for norm, found in decided.items() if found["better"] and not found["worse"]]
    safe.sort(key=lambda norm: -len(tally[norm]["better"]))
    use = f"{listed(safe)}." if safe else "No norm is better than none somewhere and worse nowhere."
    order = sorted(decided, key=lambda norm: (norm not in safe, -len(tally[norm]["better"])))
    told = tuple(f"{norm}: {_told(tally[norm])}." for norm in order)
    start = f"Better than none somewhere and shown worse nowhere, of {counted(len(rows), 'row')} of the tasks: "
    return Advice("Over all", (start if safe else "") + use, told, _overall_grounds(table, safe))


def _overall_grounds(table: Table, safe: Sequence[str]) -> tuple[Ground, ...]:
    rows = [row for section in table.sections for row in section.rows]
    grounds = (
        _against_none(row, row.cell(norm)) for norm in safe for row in rows if _stands(row.cell(norm)) == "better"
    )
    return tuple(ground for ground in grounds if ground)


def _stands(cell: Cell) -> str:
    return cell.judgement.standing if cell.judgement and cell.estimate else _NO_RESULT


def _place(row: TableRow) -> str:
    return f"{row.row.name} on {listed(row.tasks)}"


def _told(found: Mapping[str, Sequence[str]]) -> str:
    """Say how a norm stands against none, naming the rows in which it is better or worse."""
    return ", ".join(
        f"{standing} in {len(places)}" + (f" ({'; '.join(places)})" if standing in ("better", "worse") else "")
        for standing, places in found.items()
        if places
    )


def _row_advice(row: TableRow, topic: str) -> Advice:
    """Say what one row says: against none, and between those that are better."""
    known = [cell for cell in row.cells if cell.norm != NONE and cell.estimate]
    if not known:
        return Advice(
            topic, "No result.", tuple(sorted({cell.measured for cell in row.cells if cell.norm != NONE}))
        )
    if row.row.name == flexibility.ROW.name:
        return _most(row, known, topic)
    if row.row.name == cost.ROW.name:
        return _cheapest(row, known, topic)
    if not row.cell(NONE).estimate:
        return Advice(topic, UNDECIDED, (f"none, with which all are compared: {row.cell(NONE).measured}.",))
    better = [cell for cell in known if _stands(cell) == "better"]
    if not better:
        return _without_a_better(row, known, topic)
    found = _field(row, better, known)
    names = [found.leader.norm, *(c.norm for c in better if c.norm in (*found.level, *found.open))]
    verb, rest = _words(row)
    each = listed([cell.norm for cell in better])
    because = [
        f"{each} {verb if len(better) == 1 else _plural(verb)} {rest}, by at least {smallest_effect(row.row)}."
    ]
    because += _between(row, found)
    because += _others(row, known)
    grounds = [_against_none(row, cell) for cell in better]
    return Advice(topic, f"Use {_or(names)}.", tuple(because), tuple(g for g in grounds if g))


def _without_a_better(row: TableRow, known: Sequence[Cell], topic: str) -> Advice:
    verb, rest = _words(row)
    unclear = [cell for cell in known if _stands(cell) == "undecided"]
    if not unclear:
        use = f"No norm {verb} {rest} by at least {smallest_effect(row.row)}: choose by something else."
        return Advice(topic, use, tuple(_others(row, known)), _all_against_none(row, known))
    # As they are shown: of two that look alike none is named before the other.
    gains = {cell.norm: round(_gain(row, cell), row.row.decimals) for cell in unclear}
    best = [cell for cell in unclear if gains[cell.norm] == max(gains.values())]
    names, verb = listed([cell.norm for cell in best]), "look" if len(best) > 1 else "looks"
    but = "" if max(gains.values()) > 0 else ", but not better than none"
    because = f"No norm is shown to be better than none; {names} {verb} best of those that are open{but}."
    return Advice(topic, UNDECIDED, (because, *_others(row, known)), _all_against_none(row, best))


def _all_against_none(row: TableRow, cells: Sequence[Cell]) -> tuple[Ground, ...]:
    return tuple(ground for cell in cells if (ground := _against_none(row, cell)))


def _cheapest(row: TableRow, known: Sequence[Cell], topic: str) -> Advice:
    found = _field(row, known, known)
    names = [found.leader.norm, *found.level, *found.open]
    because = (*_between(row, found), f"What none costs is nothing: a norm must be worth its {row.row.unit}.")
    grounds = tuple(
        Ground(row, cell, "", cell.estimate, cell.pairs) for cell in known if cell.norm in names and cell.estimate
    )
    return Advice(topic, f"Cheapest of the norms: {_or(names)}.", because, grounds)


def _most(row: TableRow, known: Sequence[Cell], topic: str) -> Advice:
    best = max(cell.estimate.value for cell in known if cell.estimate)
    names = [cell for cell in known if cell.estimate and cell.estimate.value == best]
    verb = "pass" if len(names) > 1 else "passes"
    use = f"{listed([cell.norm for cell in names])} {verb} the most items of the exam: {names[0].measured}."
    return Advice(topic, use, (), tuple(Ground(row, c, "", c.estimate, c.pairs) for c in names if c.estimate))


def _field(row: TableRow, candidates: Sequence[Cell], known: Sequence[Cell]) -> _Field:
    """Compare the candidate with the best number with every other norm.

    It was picked for its number, so what is asked of it is corrected for all the pairs that it could have been.
    """
    sign = 1 if row.row.lower_is_better else -1
    leader = min(candidates, key=lambda cell: sign * (cell.estimate.value if cell.estimate else 0.0))
    found = _Field(leader)
    pairs = max(1, len(known) * (len(known) - 1) // 2)
    for cell in known:
        if cell is leader:
            continue
        strata = between(cell, leader) if sign == 1 else between(leader, cell)
        decided = decide([Difference(cell.norm, strata)], row.row.smallest_effect, pairs, exact=row.row.exact)
        if decided.verdict == "supported":
            found.behind.append(cell.norm)
        elif decided.verdict == "not supported":
            found.level.append(cell.norm)
        else:
            found.open[cell.norm] = decided.seeds if row.row.repeats else None
    return found


def _between(row: TableRow, found: _Field) -> Iterator[str]:
    """Say how the leader stands against the other norms."""
    leader = found.leader.norm
    if found.behind:
        everyone = not found.level and not found.open
        whom = "every other norm" if everyone and len(found.behind) > 1 else listed(found.behind)
        yield f"{leader} is ahead of {whom} by at least {smallest_effect(row.row)}."
    if found.level:
        yield f"{leader} is not ahead of {listed(found.level)} by that much."
    if found.open:
        yield f"It is undecided whether {leader} is ahead of {_with_seeds(found.open)}."


def _others(row: TableRow, known: Sequence[Cell]) -> Iterator[str]:
    """Say which norms are worse than none, no different, or undecided."""
    for standing, words in (("worse", "worse than none"), ("no different", "no different from none")):
        norms = [cell.norm for cell in known if _stands(cell) == standing]
        if norms:
            yield f"{listed(norms)} {'is' if len(norms) == 1 else 'are'} {words}."
    unclear = [cell for cell in known if _stands(cell) == "undecided"]
    if unclear:
        reference = row.cell(NONE)
        asked = {cell.norm: _seeds_against(row, cell, reference, len(known)) for cell in unclear}
        yield f"Undecided against none: {_with_seeds(asked)}."


def _seeds_against(row: TableRow, cell: Cell, reference: Cell, norms: int) -> int | None:
    """Return how many seeds would tell whether a norm is better, or worse, than none, as it looks now."""
    strata = between(reference, cell) if _gain(row, cell) >= 0 else between(cell, reference)
    if row.row.lower_is_better is False:
        strata = [[-value for value in own] for own in strata]
    return decide([Difference("", strata)], row.row.smallest_effect, norms).seeds if row.row.repeats else None


def _with_seeds(norms: Mapping[str, int | None]) -> str:
    """Return the norms, each with how many seeds would decide.

    Example:
        >>> _with_seeds({"batch": 12, "layer": 101, "rms": None})
        'batch (12 seeds would decide), layer (more than 100) and rms'
    """
    counts, said = [], False
    for norm, count in norms.items():
        counts.append(f"{norm} ({seeds(count)}{'' if said else ' seeds would decide'})" if count else norm)
        said = said or bool(count)
    return listed(counts)


def _gain(row: TableRow, cell: Cell) -> float:
    """Return by how much a norm is better than none; 0 where they share no pair."""
    found = cell.judgement.difference if cell.judgement else None
    return 0.0 if found is None else -found.value if row.row.lower_is_better else found.value


def _against_none(row: TableRow, cell: Cell) -> Ground | None:
    found = cell.judgement.difference if cell.judgement else None
    return Ground(row, cell, NONE, found, cell.pairs) if found else None


def _words(row: TableRow) -> tuple[str, str]:
    return _BETTER.get(row.row.name, ("is better", f"than none in {row.row.name}"))


def _plural(verb: str) -> str:
    """Return "lower" of "lowers".

    Example:
        >>> _plural("lowers"), _plural("is better")
        ('lower', 'are better')
    """
    return verb.replace("is ", "are ") if verb.startswith("is ") else verb.removesuffix("s")


def _or(names: Sequence[str]) -> str:
    return " or ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
