"""Steps and seconds of training until the validation error of a judged trial first reaches a given error."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Iterator, Sequence
from dataclasses import astuple, dataclass, fields
from math import inf
from statistics import fmean, median

from localnorm.lab.measures.judged import judged_runs
from localnorm.lab.records.record import Record
from localnorm.lab.study.study import Study


@dataclass(frozen=True)
class UntilError:
    """How fast a norm reaches an error at its chosen setting, over the judged seeds.

    Attributes:
        task: the task.
        norm: the norm.
        seeds: judged seeds with a result.
        reached: those of them whose validation error reached it at the end of some epoch.
        steps: median of the steps of the optimizer until then; None if fewer than half of the seeds reached it.
        seconds: median of the seconds of training until then, without validation.
        final_error: mean test error at the end, of all these seeds.
    """

    task: str
    norm: str
    seeds: int
    reached: int
    steps: float | None
    seconds: float | None
    final_error: float


def until_error(study: Study, records: Collection[Record], error: float) -> Iterator[UntilError]:
    """Yield how fast each norm reaches an error on each task; norms without a judged result are left out.

    A trial that never reaches it counts as slower than all that do, so that the median is one of all trials.

    Args:
        study: the study.
        records: its records.
        error: in the unit of the task's error.

    Yields:
        One result for each task and norm.
    """
    for task in study.tasks:
        runs = judged_runs(study, task, records)
        for norm in study.norms:
            ended = [r for (name, _), r in runs.items() if name == norm and r.status == "ok"]
            if not ended:
                continue
            times = [_time(record, error) for record in ended]
            yield UntilError(
                task.name,
                norm,
                len(ended),
                sum(steps < inf for steps, _ in times),
                _known(median(steps for steps, _ in times)),
                _known(median(seconds for _, seconds in times)),
                fmean(record.results["test_error"] for record in ended),
            )


def _time(record: Record, error: float) -> tuple[float, float]:
    """Return steps and seconds to the end of the first epoch with at most the given validation error."""
    curve, timing = record.results["validation_error"], record.timing
    epochs = next((epoch for epoch, value in enumerate(curve, 1) if value <= error), None)
    if epochs is None:
        return inf, inf
    return epochs * timing.get("steps_per_epoch", inf), sum(timing["epoch_seconds"][:epochs])


def _known(value: float) -> float | None:
    return None if value == inf else value


def to_csv(results: Sequence[UntilError]) -> str:
    """Return the results as CSV with a header."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([field.name for field in fields(UntilError)])
    writer.writerows(map(astuple, results))
    return out.getvalue()
