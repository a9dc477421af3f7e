"""A contest: rivals and cases that are timed in turn, each after its accuracy was checked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import torch

from benchmarks.cpu.accuracy import OURS_AT_MOST, RIVAL_AT_MOST, worst_error
from benchmarks.cpu.case import Case, given
from benchmarks.cpu.results import Record
from benchmarks.cpu.rivals import COPY, MEASURE, MEASURES, OURS, Rival
from benchmarks.rounds import Job, Times

Entry = tuple[Case, Rival]


@dataclass(frozen=True)
class Contest:
    """Entries that share their rounds, so that any two of them can be compared.

    Attributes:
        part: the part that it belongs to.
        name: what the results call it.
        entries: cases with rivals that take them.
    """

    part: str
    name: str
    entries: tuple[Entry, ...] = ()

    def with_entries(self, cases: Iterable[Case], rivals: Iterable[Rival]) -> Contest:
        """Return the contest with all rivals in all cases that they take, and a copy and a relu of each tensor."""
        more: list[Entry] = []
        some = tuple(rivals)
        for case in cases:
            more += [(_plain(case), measure) for measure in MEASURES]
            more += [(case, rival) for rival in some if rival.takes(case)]
        return Contest(self.part, self.name, tuple(dict.fromkeys((*self.entries, *more))))

    def _finish(self) -> Job:
        """Return what waits for the devices that take part."""
        on_gpu = any(case.device != "cpu" for case, _ in self.entries)
        return torch.cuda.synchronize if on_gpu else lambda: None

    def run(self, rounds: int) -> Iterator[Record]:
        """Check, time, and yield one record an entry."""
        # A compiled function gives up after a number of shapes.
        torch.compiler.reset()
        checked = {entry: _checked(*entry) for entry in self.entries}
        keys = {entry: str(i) for i, entry in enumerate(self.entries)}
        times = Times(
            {keys[entry]: job for entry, (job, _) in checked.items() if job is not None}, rounds, self._finish()
        )
        started = now()
        for (case, rival), (job, found) in checked.items():
            record = {"part": self.part, "contest": self.name, "started": started, **_fields(case), **found}
            record |= {"rival": rival.name, "output": rival.output}
            if job is not None:
                key = keys[case, rival]
                record["milliseconds"] = in_milliseconds(times, key)
                record["copies"] = round(times.ratio(key, keys[_plain(case), COPY]), 3)
            yield record


def timed(
    part: str, name: str, measure: str, jobs: Mapping[str, Job], rounds: int, finish: Job = lambda: None
) -> Iterator[Record]:
    """Time what has no case and no accuracy; yield one record a job."""
    times, started = Times(jobs, rounds, finish), now()
    for rival in jobs:
        head = {"part": part, "contest": name, "started": started, "measure": measure, "rival": rival}
        yield {**head, "milliseconds": in_milliseconds(times, rival)}


def in_milliseconds(times: Times, name: str) -> list[float]:
    """Return one job's milliseconds by round, in five digits."""
    return [float(f"{1e3 * seconds[name]:.5g}") for seconds in times.rounds]


def now() -> str:
    """Return a time that tells the runs of one contest apart."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _plain(case: Case) -> Case:
    """Return the case of a copy or a relu of the same tensor, which have no size and no beta."""
    return Case(case.shape, layout=case.layout, dtype=case.dtype, threads=case.threads, device=case.device)


def _fields(case: Case) -> dict[str, Any]:
    return {**asdict(case), "shape": "x".join(map(str, case.shape))}


def _checked(case: Case, rival: Rival) -> tuple[Job | None, Mapping[str, object]]:
    """Return what is to be timed, None for what can't run, and what the record says of its accuracy."""
    numbers = given(case)
    try:
        ready = rival.prepare(case, numbers)
        result = ready.result()
    except Exception as problem:
        if rival.role == OURS:
            raise
        return None, {"left_out": type(problem).__name__}
    if rival.role == MEASURE:
        return ready.run, {}
    error = worst_error(case, numbers, result)
    if rival.role == OURS and not error <= OURS_AT_MOST:
        raise SystemExit(f"{rival.name} errs by {error:.1f} epsilons in {case}: not exact, so nothing is timed.")
    return ready.run, {"error": round(error, 2), "accurate": bool(error <= RIVAL_AT_MOST)}
