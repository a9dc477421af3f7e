"""Timing contestants in turn: each runs once a round, so that a drift of the machine's speed reaches all."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from statistics import median

ROUNDS = 11
Job = Callable[[], object]


class Times:
    """Seconds by round and by job."""

    def __init__(self, jobs: Mapping[str, Job]) -> None:
        # Two rounds warm up: caches, and whatever compiles at the first call.
        self.rounds = [{name: _seconds(job) for name, job in jobs.items()} for _ in range(ROUNDS + 2)][2:]

    def milliseconds(self, name: str) -> float:
        """Return the median of one job."""
        return 1e3 * median(times[name] for times in self.rounds)

    def ratio(self, name: str, to: str) -> float:
        """Return how many times as long one job takes as another: the median of the ratios within a round."""
        return median(times[name] / times[to] for times in self.rounds)


def _seconds(run: Job) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start
