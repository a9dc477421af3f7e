"""Next jobs of a study as a function of its settings and records: probes, pilot, judged seeds up to a look.

A norm gets the seeds up to the next look only while something that they feed is undecided.
Nothing here depends on the order in which jobs ran, on interruptions or on the engine, so neither do the verdicts.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from statistics import fmean

from localnorm.lab.analysis.paired import Compared
from localnorm.lab.analysis.table import Table, TableRow, make_table
from localnorm.lab.measures import MEASURES, Needs, TaskMeasure, sensitivity
from localnorm.lab.measures.choice import choose
from localnorm.lab.measures.judged import FAMILY
from localnorm.lab.measures.select import RecordSet
from localnorm.lab.records.record import Job, Probe, Record, Trial
from localnorm.lab.study.jobs import norm_space, random_trial
from localnorm.lab.study.search_space import Space
from localnorm.lab.study.study import Study, TaskStudy

_PROBE_SECONDS = 5.0
_STEP_SECONDS = 0.004
"""Of a training step, before any was measured."""
_EXAMPLES = 1000
"""Training examples of a task, of which nothing is known before its first record."""


@dataclass(frozen=True)
class Block:
    """Missing jobs after which something can be decided.

    Attributes:
        what: a description.
        jobs: in the order in which they should run.
        cells: number of undecided comparisons that it brings to their next look.
        seconds: estimated time of the jobs on one worker.
    """

    what: str
    jobs: tuple[Job, ...]
    cells: int
    seconds: float


@dataclass(frozen=True)
class Plan:
    """What a study should run next, and what it has decided.

    Attributes:
        blocks: in the order in which they should run; empty at the end of the study.
        decided: number of decided comparisons with none that rest on training.
        cells: number of such comparisons.
        times: estimated seconds of jobs.
        table: of the records.
    """

    blocks: tuple[Block, ...]
    decided: int
    cells: int
    times: Times
    table: Table

    @property
    def seconds(self) -> float:
        """Estimated time of all blocks on one worker."""
        return sum(block.seconds for block in self.blocks)


class Times:
    """Estimated seconds of jobs, from the records of similar ones.

    Args:
        records: those of the study.
    """

    def __init__(self, records: Collection[Record]) -> None:
        self._records = records

    @cached_property
    def _means(self) -> Mapping[tuple[object, ...], float]:
        seconds: dict[tuple[object, ...], list[float]] = {}
        for record in self._records:
            wall = record.timing.get("wall_seconds")
            if wall is not None:
                for name in _similar(record.job):
                    per = _steps(record.job) if name[-1] == "step" else 1.0
                    seconds.setdefault(name, []).append(wall / per)
        return {name: fmean(values) for name, values in seconds.items()}

    def of(self, job: Job) -> float:
        """Return the mean seconds of the most similar jobs that have a record."""
        for name in _similar(job):
            if name in self._means:
                return self._means[name] * (_steps(job) if name[-1] == "step" else 1.0)
        return _PROBE_SECONDS if isinstance(job, Probe) else _STEP_SECONDS * _steps(job)


def _similar(job: Job) -> Iterator[tuple[object, ...]]:
    """Yield the kinds of jobs that a job belongs to, the most similar first."""
    if isinstance(job, Probe):
        yield (job.name,)
        return
    kind = job.task, job.batch_size, job.epochs, job.judged, job.corrupted, job.features
    yield (*kind, job.norm)
    yield kind
    yield job.task, job.judged, job.corrupted, "step"
    yield job.task, "step"


def _steps(job: Job) -> float:
    return _EXAMPLES * job.epochs / job.batch_size if isinstance(job, Trial) else 1.0


def next_blocks(
    study: Study,
    records: Collection[Record],
    *,
    every_seed: bool = False,
    space_of: Callable[[str], Space] = norm_space,
) -> Plan:
    """Return what a study should run next.

    The probes come first. Then each task gets its pilot and its judged seeds up to the second look, the quickest
    task first; then the block with the fewest estimated seconds per undecided comparison comes first.

    Args:
        study: the study.
        records: those that exist; none of another study.
        every_seed: whether every norm gets all judged seeds, decided or not.
        space_of: the hyperparameter ranges of a norm.

    Example:
        >>> from localnorm.lab.tasks import task_studies
        >>> study = Study(task_studies(["digit-rows"]), ("none", "batch"))
        >>> [block.what for block in next_blocks(study, []).blocks]
        ['probes', 'pilot of digit-rows']
    """
    return _Planner(study, RecordSet(records), space_of, every_seed=every_seed).plan()


@dataclass
class _Group:
    """Jobs of one task that reach the same look."""

    what: str
    jobs: dict[str, Job] = field(default_factory=dict)
    cells: int = 0


class _Planner:
    def __init__(
        self, study: Study, records: RecordSet, space_of: Callable[[str], Space], *, every_seed: bool
    ) -> None:
        self._study, self._have, self._records = study, records.by_key, records
        self._space_of, self._every_seed = space_of, every_seed
        self._times = Times(records)
        self._needs: dict[tuple[str, str], Mapping[str, Needs]] = {}
        self._groups: dict[tuple[str, str, int], _Group] = {}

    def plan(self) -> Plan:
        study = self._study
        table = make_table(study, self._records)
        first: list[tuple[float, Block]] = []
        later: list[Block] = []
        for task in study.tasks:
            pilot = self._missing(study.pilot_trials(task))
            measures = [m for m in MEASURES if isinstance(m, TaskMeasure) and m.row(task)]
            if pilot:
                rows = sum(measure.family == FAMILY for measure in measures)
                block = self._block(f"pilot of {task.name}", pilot, rows * (len(study.norms) - 1))
                first.append((block.seconds + self._first_look(task), block))
            elif any(measure.name == sensitivity.NAME for measure in measures):
                later += self._search(task, table)
        self._add_judged(table)
        for (task_name, family, target), group in self._groups.items():
            block = self._block(group.what, group.jobs.values(), group.cells)
            if family == FAMILY and target in study.looks[:2]:
                first.append((self._first_look(study.task(task_name)), block))
            else:
                later.append(block)
        probes = self._missing(study.probes())
        blocks = [self._block("probes", probes, 0)] if probes else []
        blocks += [block for _, block in sorted(first, key=lambda pair: (pair[0], pair[1].what))]
        blocks += sorted(later, key=lambda block: (block.seconds / max(1, block.cells), block.what))
        judged = [cell for row in _rows(table) for cell in row.cells if cell.judgement]
        # A norm that cannot be trained on a task has no cell to decide there.
        trained = [cell for cell in judged if "failed: " not in cell.measured]
        decided = sum(cell.judgement.comparison != "undecided" for cell in trained if cell.judgement)
        return Plan(tuple(blocks), decided, len(trained), self._times, table)

    def _missing(self, jobs: Iterable[Job]) -> list[Job]:
        return [job for job in jobs if job.key not in self._have]

    def _block(self, what: str, jobs: Iterable[Job], cells: int) -> Block:
        found = tuple(jobs)
        return Block(what, found, cells, sum(map(self._times.of, found)))

    def _first_look(self, task: TaskStudy) -> float:
        """Return the estimated seconds of the judged seeds up to the first look."""
        schedule = task.schedule
        setting = schedule.default_learning_rate, schedule.batch_size, schedule.epochs
        return self._study.looks[0] * sum(
            self._times.of(task.judged_trial(norm, 0, setting)) for norm in self._study.norms
        )

    def _search(self, task: TaskStudy, table: Table) -> Iterator[Block]:
        """Yield the missing random-search samples, and the repeated trials of the best of a norm's samples."""
        study = self._study
        usable = {norm for norm, setting in choose(study, task, self._records).items() if setting}
        places = {(seed, number) for seed in study.pilot_seeds for number in range(task.schedule.draws)}
        samples = [
            random_trial(task, norm, *place, self._space_of(norm))
            for norm in study.norms
            if norm in usable
            for place in sorted(places - sensitivity.drawn(study, task, norm, self._records).keys())
        ]
        row = table.section(task.name).find(sensitivity.NAME)
        cells = len(row.cells) - 1 if row else 0
        if samples:
            yield self._block(f"random search on {task.name}", samples, cells)
        repeated = [
            trial
            for norm in study.norms
            if norm in usable
            for trial in sensitivity.finalist_trials(study, task, norm, self._records) or ()
        ]
        if missing := self._missing(repeated):
            yield self._block(f"best of the random search on {task.name}", missing, cells)

    def _add_judged(self, table: Table) -> None:
        """Collect the judged trials up to the next look of every undecided comparison."""
        for row in _rows(table):
            measure = next(m for m in MEASURES if isinstance(m, TaskMeasure) and m.name == row.row.name)
            if self._every_seed:
                for norm in self._study.norms:
                    self._ask(measure, row.tasks, (norm,))
                continue
            for compared in _comparisons(row):
                if compared.decision.word == "undecided":
                    # Over several tasks, differences from none are compared.
                    norms = {compared.than, compared.more} | ({"none"} if len(row.tasks) > 1 else set())
                    self._ask(measure, row.tasks, tuple(norm for norm in self._study.norms if norm in norms))

    def _ask(self, measure: TaskMeasure, tasks: tuple[str, ...], norms: tuple[str, ...]) -> None:
        """Ask for the judged trials of some norms up to the next look."""
        needs = {name: self._needs_of(measure, name) for name in tasks}
        if any(norm not in of_norms for of_norms in needs.values() for norm in norms):
            # No setting was chosen yet, or ever.
            return
        seeds = self._study.seeds
        done = min(self._done(of_norms[norm]) for of_norms in needs.values() for norm in norms)
        target = next((look for look in self._study.looks if done < look <= len(seeds)), None)
        if self._every_seed and done < len(seeds):
            target = target or len(seeds)
        if target is None:
            return
        for task, of_norms in needs.items():
            what = f"{measure.family} on {task}, up to {target} judged seeds"
            group = self._groups.setdefault((task, measure.family, target), _Group(what))
            group.cells += 1
            # Norms of a seed one after another: they share its data and corrupted copies.
            jobs = (trial for seed in seeds[:target] for norm in norms for trial in of_norms[norm](seed))
            group.jobs |= {job.key: job for job in self._missing(jobs)}
            group.jobs = dict(sorted(group.jobs.items(), key=lambda item: seeds.index(item[1].seed)))  # type: ignore[union-attr]

    def _needs_of(self, measure: TaskMeasure, task: str) -> Mapping[str, Needs]:
        name = measure.family, task
        if name not in self._needs:
            self._needs[name] = measure.needs(self._study, self._study.task(task), self._records)
        return self._needs[name]

    def _done(self, needs: Needs) -> int:
        """Return for how many seeds, from the first, all trials have a record."""
        seeds = (all(trial.key in self._have for trial in needs(seed)) for seed in self._study.seeds)
        return next((place for place, done in enumerate(seeds) if not done), len(self._study.seeds))


def _rows(table: Table) -> list[TableRow]:
    """Return each row that rests on training once."""
    rows = (*table.rows, *(row for section in table.sections for row in section.rows))
    return list({(row.row.name, row.tasks): row for row in rows if row.tasks}.values())


def _comparisons(row: TableRow) -> list[Compared]:
    """Return the comparisons of a row: of each norm with none, and the contrasts of claims."""
    found = {}
    for cell in row.cells:
        if cell.judgement:
            for compared in (cell.judgement.against_none, *cell.judgement.compared):
                found[frozenset((compared.more, compared.than))] = compared
    return list(found.values())
