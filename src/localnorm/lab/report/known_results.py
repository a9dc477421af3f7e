"""Known results of the literature, and whether they are reproduced in this study, from its records."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from localnorm.lab.analysis.paired import Verdict, all_hold, compare, opposite
from localnorm.lab.analysis.statistics import Estimate
from localnorm.lab.analysis.table import Table
from localnorm.lab.analysis.verdicts import difference_of
from localnorm.lab.measures import batch_dependence, difference_unit, generalization
from localnorm.lab.measures.judged import error_of, judged_runs, resolution
from localnorm.lab.measures.select import keys, of_trials
from localnorm.lab.measures.suitability import ROWS as SUITABILITY
from localnorm.lab.records.record import Record
from localnorm.lab.report.wording import listed
from localnorm.lab.study.study import Kind, TaskStudy

SMALL = 2
"""The largest batch size that counts as small."""
_USUAL = 32
"""The small batch size is compared with the one nearest to this."""
_KIND_NAMES: Mapping[str, str] = {
    "images": "of images", "style": "of style transfer", "recurrent": "with a recurrent network"
}  # fmt: skip


@dataclass(frozen=True)
class Finding:
    """The outcome of a known result on one task.

    Attributes:
        task: the task; empty if the study has none of its kind.
        verdict: on the result; None if it was not measured.
        why: the reason, if it was not measured.
        differences: the differences asked for, in words, with their estimates.
        unit: of the differences.
        effect: the smallest effect.
        decimals: digits shown after the point.
        pairs: number of seeds.
        record_keys: keys of the records that it was read from.
    """

    task: str = ""
    verdict: Verdict | None = None
    why: str = ""
    differences: tuple[tuple[str, Estimate], ...] = ()
    unit: str = ""
    effect: float = 0.0
    decimals: int = 1
    pairs: int = 0
    record_keys: tuple[str, ...] = ()


@dataclass(frozen=True)
class KnownResult:
    """A result reported in the literature, and the outcome of this study.

    Attributes:
        source: authors, title and year.
        claim: the result.
        reported: the networks and data it was reported for.
        asked: the measurement here that would reproduce it.
        kind: the kind of task that measures it.
        row: the criterion whose smallest effect decides.
        norms: the norms needed; without batch sizes, the first one's error minus the second's is judged.
        holds: False if the result is that the difference is not above 0.
        field: the result that is compared.
        field_name: its name.
        batch_sizes: whether errors at two batch sizes are compared.
        findings: one for each task of that kind.
    """

    source: str
    claim: str
    reported: str
    asked: str
    kind: Kind
    row: str
    norms: tuple[str, str]
    holds: bool = True
    field: str = "test_error"
    field_name: str = "test error"
    batch_sizes: bool = False
    findings: tuple[Finding, ...] = ()

    @property
    def measured(self) -> bool:
        """Whether any task measured it."""
        return any(finding.verdict for finding in self.findings)


_RESULTS = (
    KnownResult(
        "Wu and He, Group Normalization, 2018",
        "batch normalization falls apart at batches of 1 or 2, group normalization does not",
        "for ResNet-50, some fifty norms deep, on ImageNet",
        "the test error of batch at the smallest batch size is above that at the "
        "usual one, and that of group is not",
        "images",
        batch_dependence.NAME,
        ("batch", "group"),
        batch_sizes=True,
    ),
    KnownResult(
        "Ulyanov, Vedaldi and Lempitsky, Instance Normalization, 2016",
        "instance normalization reaches a lower style loss than batch normalization",
        "for generators of photographs that learn by the features of VGG-19",
        "the style loss of batch is above that of instance",
        "style",
        SUITABILITY["style"],
        ("batch", "instance"),
        field="style_error",
        field_name="style loss",
    ),
    KnownResult(
        "Ba, Kiros and Hinton, Layer Normalization, 2016",
        "layer normalization helps a recurrent network",
        "for gated recurrent networks of hundreds of units that read text",
        "the test error of none is above that of layer",
        "recurrent",
        SUITABILITY["recurrent"],
        ("none", "layer"),
    ),
    KnownResult(
        "Krizhevsky, Sutskever and Hinton, AlexNet, 2012",
        "local response normalization lowers the test error",
        "for a network of eight layers on ImageNet, by 1.2 to 1.4 points",
        "the test error of none is above that of local",
        "images",
        generalization.NAME,
        ("none", "local"),
    ),
    KnownResult(
        "Simonyan and Zisserman, VGG, 2014",
        "local response normalization does not lower the test error",
        "for a network of eleven layers on ImageNet",
        "the test error of none is not above that of local",
        "images",
        generalization.NAME,
        ("none", "local"),
        holds=False,
    ),
)


def known_results(table: Table, records: Collection[Record]) -> tuple[KnownResult, ...]:
    """Return the outcome of each known result, decided by itself, without a correction for their number.

    Args:
        table: of the study.
        records: of the study.
    """
    results = []
    for result in _RESULTS:
        tasks = [task for task in table.study.tasks if task.kind == result.kind]
        findings = tuple(_finding(result, table, task, records) for task in tasks)
        absent = Finding(why=f"this study has no task {_KIND_NAMES[result.kind]}")
        results.append(replace(result, findings=findings or (absent,)))
    return tuple(results)


def _finding(result: KnownResult, table: Table, task: TaskStudy, records: Collection[Record]) -> Finding:
    study = table.study
    if result.batch_sizes:
        sizes = task.schedule.batch_sizes
        small = min(sizes, default=0)
        usual = min(sizes, key=lambda size: abs(size - _USUAL), default=0)
        if not sizes or small > SMALL or usual <= SMALL:
            return Finding(task.name, why=f"not trained at a batch of {SMALL} or less and at a larger one")
        wanted = [
            trial
            for norm in result.norms
            for seed in study.seeds
            for trial in study.batch_trials(task, norm, seed)
        ]
        runs = {
            (t.norm, t.seed, t.batch_size): r
            for t, r in of_trials(records, wanted).items()
            if t.batch_size in (small, usual)
        }
        # Batch normalization loses at small batches, group normalization does not.
        sides = [
            (f"{norm}, error at batch {small} minus at {usual}", (norm, small), (norm, usual), norm == "batch")
            for norm in result.norms
        ]
    else:
        judged = judged_runs(study, task, records)
        runs = {(norm, seed, 0): record for (norm, seed), record in judged.items() if norm in result.norms}
        more, than = result.norms
        sides = [(f"{result.field_name}, {more} minus {than}", (more, 0), (than, 0), result.holds)]
    values = {
        run: value
        for run, r in runs.items()
        if (value := error_of(task, r, lambda s: s.get(result.field))) is not None
    }
    absent = [norm for norm in result.norms if norm not in study.norms]
    row = table.section(task.name).find(result.row)
    if absent:
        return Finding(task.name, why=f"this study is without {listed(absent)}")
    ended = {run for run in values if runs[run].status == "ok"}

    def shared(more: tuple[str, int], than: tuple[str, int]) -> bool:
        """Whether a seed has a result of both."""
        return any({(more[0], seed, more[1]), (than[0], seed, than[1])} <= ended for seed in study.seeds)

    if row is None or not all(shared(more, than) for _, more, than, _ in sides):
        return Finding(task.name, why="no seed has all the runs that it needs")
    tested = [r.results.get("test_examples", 0) for r in runs.values() if r.status == "ok"]

    def side(norm: str, size: int) -> tuple[str, list[float | None]]:
        return norm, [values.get((norm, seed, size)) for seed in study.seeds]

    compared = [
        compare(
            row.row,
            side(*more),
            side(*than),
            family=len(sides),
            resolution=resolution(task, min(tested, default=0)),
            looks=study.looks,
        )
        for _, more, than, _ in sides
    ]
    shown = [found.shows(lower_is_better=True) for found in compared]
    estimates = [
        (label, difference_of(found.decision)) for (label, *_), found in zip(sides, compared, strict=True)
    ]
    return Finding(
        task.name,
        all_hold([v if holds else opposite(v) for v, (*_, holds) in zip(shown, sides, strict=True)]),
        "",
        tuple((label, found) for label, found in estimates if found),
        difference_unit(task.unit),
        row.row.smallest_effect,
        row.row.decimals,
        min(found.decision.pairs for found in compared),
        keys(runs.values()),
    )
