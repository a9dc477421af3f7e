"""Timing contestants in turn: each runs once a round, so that a drift of the machine's speed reaches all."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from statistics import median

ROUNDS = 11
_WARM_UP = 2
"""Rounds that are not counted: caches, and whatever compiles at the first call."""
_PAUSE = 0.005
"""Seconds before each job, in which the threads that another framework left spinning go to sleep."""
_QUICK = 0.03
"""A job quicker than this many seconds runs before it is timed, since the pause let its threads sleep too."""
_LONG_ENOUGH = 0.002
"""Seconds that are timed at once: a quicker job is called so often in a round."""
_MOST_CALLS = 1000

Job = Callable[[], object]


def _nothing() -> None:
    """Wait for nothing: on a CPU a call has done its work when it returns."""


class Times:
    """Seconds by round and by job.

    Args:
        jobs: what to time, by name.
        rounds: how many are counted.
        finish: waits until the work that calls have begun is done, within what is timed.

    Attributes:
        rounds: for each round, the seconds of one call of each job.
    """

    def __init__(self, jobs: Mapping[str, Job], rounds: int = ROUNDS, finish: Job = _nothing) -> None:
        self._finish = finish
        for _ in range(_WARM_UP):
            first = {name: self._seconds(job, 1) for name, job in jobs.items()}
        calls = {name: min(_MOST_CALLS, int(_LONG_ENOUGH / seconds) + 1) for name, seconds in first.items()}
        self.rounds = [
            {name: self._timed(job, calls[name], first[name]) for name, job in jobs.items()} for _ in range(rounds)
        ]

    def _timed(self, job: Job, calls: int, expected: float) -> float:
        time.sleep(_PAUSE)
        if expected < _QUICK:
            self._seconds(job, calls)
        return self._seconds(job, calls)

    def _seconds(self, run: Job, calls: int) -> float:
        start = time.perf_counter()
        for _ in range(calls):
            run()
        self._finish()
        return (time.perf_counter() - start) / calls

    def milliseconds(self, name: str) -> float:
        """Return the median of one job."""
        return 1e3 * median(times[name] for times in self.rounds)

    def ratio(self, name: str, to: str) -> float:
        """Return how many times as long one job takes as another: the median of the ratios within a round."""
        return median(times[name] / times[to] for times in self.rounds)
