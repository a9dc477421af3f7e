"""Check the accuracy of several implementations, then time them in turn."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import torch

from benchmarks.speed.cpu.accuracy import BASELINE_AT_MOST, OURS_AT_MOST, worst_error
from benchmarks.speed.cpu.baselines import CONTROL, CONTROLS, COPY, OURS, Implementation
from benchmarks.speed.cpu.case import Case, case_data
from benchmarks.speed.cpu.results import Row
from benchmarks.speed.rounds import Action, Times

Entry = tuple[Case, Implementation]


@dataclass(frozen=True)
class Comparison:
    """Implementations and cases that share their rounds, so that any two of them can be compared.

    Attributes:
        part: the part of the benchmark that it belongs to.
        name: its name in the results.
        entries: cases with implementations that support them.
    """

    part: str
    name: str
    entries: tuple[Entry, ...] = ()

    def with_entries(self, cases: Iterable[Case], implementations: Iterable[Implementation]) -> Comparison:
        """Return the comparison with more implementations in all cases that they support, and the controls."""
        more: list[Entry] = []
        several = tuple(implementations)
        for case in cases:
            more += [(_without_lrn(case), control) for control in CONTROLS]
            more += [(case, implementation) for implementation in several if implementation.supports(case)]
        return Comparison(self.part, self.name, tuple(dict.fromkeys((*self.entries, *more))))

    def _finish(self) -> Action:
        """Return the function that waits for the devices."""
        on_gpu = any(case.device != "cpu" for case, _ in self.entries)
        return torch.cuda.synchronize if on_gpu else lambda: None

    def run(self, rounds: int) -> Iterator[Row]:
        """Check, time, and yield one record per entry."""
        # A compiled function gives up after a number of shapes.
        torch.compiler.reset()
        checked = {entry: _checked(*entry) for entry in self.entries}
        keys = {entry: str(i) for i, entry in enumerate(self.entries)}
        times = Times(
            {keys[entry]: job for entry, (job, _) in checked.items() if job is not None}, rounds, self._finish()
        )
        started = now()
        for (case, implementation), (job, accuracy) in checked.items():
            record = {"part": self.part, "comparison": self.name, "started": started, **_fields(case), **accuracy}
            record |= {"implementation": implementation.name, "output": implementation.output}
            if job is not None:
                key = keys[case, implementation]
                record["milliseconds"] = in_milliseconds(times, key)
                record["copies"] = round(times.ratio(key, keys[_without_lrn(case), COPY]), 3)
            yield record


def timed(
    part: str, name: str, measure: str, jobs: Mapping[str, Action], rounds: int, finish: Action = lambda: None
) -> Iterator[Row]:
    """Time functions without a case and without an accuracy check; yield one record each."""
    times, started = Times(jobs, rounds, finish), now()
    for implementation in jobs:
        head = {
            "part": part,
            "comparison": name,
            "started": started,
            "measure": measure,
            "implementation": implementation,
        }
        yield {**head, "milliseconds": in_milliseconds(times, implementation)}


def in_milliseconds(times: Times, name: str) -> list[float]:
    """Return the milliseconds of each round, in five digits."""
    return [float(f"{1e3 * seconds[name]:.5g}") for seconds in times.rounds]


def now() -> str:
    """Return the current time, which distinguishes runs of one comparison."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _without_lrn(case: Case) -> Case:
    """Return the case of a control on the same tensor; its window and beta do not matter."""
    return Case(case.shape, layout=case.layout, dtype=case.dtype, threads=case.threads, device=case.device)


def _fields(case: Case) -> dict[str, Any]:
    return {**asdict(case), "shape": "x".join(map(str, case.shape))}


def _checked(case: Case, implementation: Implementation) -> tuple[Action | None, Mapping[str, object]]:
    """Return the function to time, None if it can't run, and the record's fields on its accuracy."""
    data = case_data(case)
    try:
        ready = implementation.prepare(case, data)
        result = ready.result()
    except Exception as problem:
        if implementation.role == OURS:
            raise
        return None, {"left_out": type(problem).__name__}
    if implementation.role == CONTROL:
        return ready.run, {}
    error = worst_error(case, data, result)
    if implementation.role == OURS and not error <= OURS_AT_MOST:
        raise SystemExit(
            f"{implementation.name} errs by {error:.1f} epsilons in {case}: not exact, so nothing is timed."
        )
    return ready.run, {"error": round(error, 2), "accurate": bool(error <= BASELINE_AT_MOST)}
