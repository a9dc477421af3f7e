"""Known results of the literature: whether they come out in this study, each computed from its records."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from localnorm.lab.analysis.paired import Difference, decide
from localnorm.lab.analysis.statistics import Estimate
from localnorm.lab.analysis.table import Table
from localnorm.lab.analysis.verdicts import Verdict
from localnorm.lab.measures import batch_dependence, difference_unit, generalization
from localnorm.lab.measures.select import chosen_runs, keys, of_trials
from localnorm.lab.measures.suitability import ROWS as SUITABILITY
from localnorm.lab.records.record import Record
from localnorm.lab.report.wording import listed
from localnorm.lab.study.study import Study, TaskStudy

SMALL = 2
"""The largest batch size that counts as small."""
_USUAL = 32
"""The batch size that the small one is compared with is the one nearest to this."""
Values = Mapping[int, float]
"""One number a seed."""


@dataclass(frozen=True)
class Finding:
    """What became of a known result on one task.

    Attributes:
        task: the task; empty where no task of the study asks it.
        verdict: on the result; None where it was not measured.
        why: why it was not measured.
        differences: what was asked, in words, with the estimate found.
        unit: of the differences.
        effect: the smallest difference that matters.
        decimals: digits shown after the point.
        pairs: how many seeds it rests on.
        seeds: how many seeds would decide an undecided one; None where that can't be told.
        evidence: the keys of the records it was read from.
    """

    task: str = ""
    verdict: Verdict | None = None
    why: str = ""
    differences: tuple[tuple[str, Estimate], ...] = ()
    unit: str = ""
    effect: float = 0.0
    decimals: int = 1
    pairs: int = 0
    seeds: int | None = None
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True)
class KnownResult:
    """A result that the literature reports, and what this study found.

    Attributes:
        source: who reported it, and when.
        says: the result.
        reported: for what: larger networks and other data than those of the lab.
        asked: what has to be measured here for it to come out.
        findings: one for each task that asks it.
    """

    source: str
    says: str
    reported: str
    asked: str
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class _Asked:
    """A difference of two series of numbers by seed, ``more - than``."""

    told: str
    more: Values
    than: Values
    holds: bool = True

    @property
    def strata(self) -> list[list[float]]:
        own = [self.more[seed] - self.than[seed] for seed in sorted(self.more) if seed in self.than]
        return [own] if own else []


def known_results(table: Table, records: Collection[Record]) -> tuple[KnownResult, ...]:
    """Return what became of each known result.

    Each is decided by itself at the level of the table, without a correction for there being several.

    Args:
        table: of the study.
        records: of the study.
    """
    study = table.study
    images = [task for task in study.tasks if task.kind == "images"]
    return (
        KnownResult(
            "Wu and He, Group Normalization, 2018",
            "batch normalization falls apart at batches of 1 or 2, group normalization does not",
            "for ResNet-50, some fifty norms deep, on ImageNet",
            "the test error of batch at the smallest batch size is at least the smallest effect above that at the "
            "usual one, and that of group is not",
            _each(images, lambda task: _small_batches(table, task, records), "of images"),
        ),
        KnownResult(
            "Ulyanov, Vedaldi and Lempitsky, Instance Normalization, 2016",
            "instance normalization reaches a lower style loss than batch normalization",
            "for generators of photographs that learn by the features of VGG-19",
            "the style loss of batch is at least the smallest effect above that of instance",
            _each(_of_kind(study, "style"), lambda task: _style(table, task, records), "of style transfer"),
        ),
        KnownResult(
            "Ba, Kiros and Hinton, Layer Normalization, 2016",
            "layer normalization helps a recurrent network",
            "for gated recurrent networks of hundreds of units that read text",
            "the test error of none is at least the smallest effect above that of layer",
            _each(
                _of_kind(study, "recurrent"),
                lambda task: _chosen(table, task, records, SUITABILITY["recurrent"], "none", "layer"),
                "with a recurrent network",
            ),
        ),
        KnownResult(
            "Krizhevsky, Sutskever and Hinton, AlexNet, 2012",
            "local response normalization lowers the test error",
            "for a network of eight layers on ImageNet, by 1.2 to 1.4 points",
            "the test error of none is at least the smallest effect above that of local",
            _each(
                images,
                lambda task: _chosen(table, task, records, generalization.NAME, "none", "local"),
                "of images",
            ),
        ),
        KnownResult(
            "Simonyan and Zisserman, VGG, 2014",
            "local response normalization does not lower the test error",
            "for a network of eleven layers on ImageNet",
            "the test error of none is not the smallest effect above that of local",
            _each(
                images,
                lambda task: _chosen(table, task, records, generalization.NAME, "none", "local", holds=False),
                "of images",
            ),
        ),
    )


def _of_kind(study: Study, kind: str) -> list[TaskStudy]:
    return [task for task in study.tasks if task.kind == kind]


def _each(tasks: Sequence[TaskStudy], find: Callable[[TaskStudy], Finding], kind: str) -> tuple[Finding, ...]:
    """Return what each task found, or why none did."""
    return tuple(find(task) for task in tasks) or (Finding(why=f"this study has no task {kind}"),)


def _small_batches(table: Table, task: TaskStudy, records: Collection[Record]) -> Finding:
    sizes = task.schedule.batch_sizes
    small = min(sizes, default=0)
    usual = min(sizes, key=lambda size: abs(size - _USUAL), default=0)
    if not sizes or small > SMALL or usual <= SMALL:
        return Finding(task.name, why=f"not trained at a batch of {SMALL} or less and at a larger one")
    found = of_trials(records, table.study.batch_trials(task))

    def at(norm: str, size: int) -> Mapping[int, Record]:
        return {t.seed: r for t, r in found.items() if (t.norm, t.batch_size, r.status) == (norm, size, "ok")}

    used = {(norm, size): at(norm, size) for norm in ("batch", "group") for size in (small, usual)}
    errors = {where: _values(own, "test_error") for where, own in used.items()}
    asked = [
        _Asked(
            f"{norm}, error at batch {small} minus at {usual}",
            errors[norm, small],
            errors[norm, usual],
            holds=norm == "batch",
        )
        for norm in ("batch", "group")
    ]
    runs = [record for own in used.values() for record in own.values()]
    return _found(table, task, batch_dependence.NAME, ("batch", "group"), asked, runs)


def _style(table: Table, task: TaskStudy, records: Collection[Record]) -> Finding:
    part = "style_error"
    return _chosen(table, task, records, SUITABILITY["style"], "batch", "instance", part=part, called="style loss")


def _chosen(
    table: Table,
    task: TaskStudy,
    records: Collection[Record],
    row: str,
    more: str,
    than: str,
    *,
    holds: bool = True,
    part: str = "test_error",
    called: str = "test error",
) -> Finding:
    """Ask for a difference of two norms, each at the setting chosen for it."""
    runs = chosen_runs(of_trials(records, table.study.grid_trials(task)), table.study.norms)
    runs = {(norm, seed): record for (norm, seed), record in runs.items() if norm in (more, than)}
    own = {norm: {seed: r for (name, seed), r in runs.items() if name == norm} for norm in (more, than)}
    asked = _Asked(f"{called}, {more} minus {than}", _values(own[more], part), _values(own[than], part), holds)
    return _found(table, task, row, (more, than), [asked], list(runs.values()))


def _values(runs: Mapping[int, Record], part: str) -> Values:
    found: dict[int, float] = {}
    for seed, record in runs.items():
        value: Any = record.results.get(part)
        if isinstance(value, int | float):
            found[seed] = float(value)
    return found


def _found(
    table: Table,
    task: TaskStudy,
    name: str,
    norms: Sequence[str],
    asked: Sequence[_Asked],
    used: Sequence[Record],
) -> Finding:
    """Decide what is asked, with the smallest effect of a row of the task."""
    row = table.section(task.name).find(name)
    absent = [norm for norm in norms if norm not in table.study.norms]
    if absent:
        return Finding(task.name, why=f"this study is without {listed(absent)}")
    if row is None or not all(each.strata for each in asked):
        return Finding(task.name, why="no seed has all the runs that it needs")
    differences = [Difference(each.told, each.strata, each.holds) for each in asked]
    decision = decide(differences, row.row.smallest_effect)
    return Finding(
        task.name,
        decision.verdict,
        "",
        tuple((each.told, each.estimate) for each in differences),
        difference_unit(task.unit),
        row.row.smallest_effect,
        row.row.decimals,
        min(len(values) for each in differences for values in each.strata),
        decision.seeds,
        keys(used),
    )
