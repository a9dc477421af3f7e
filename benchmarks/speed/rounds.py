"""Time functions in turn, each once per round, so that a change of the machine's speed affects all of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from statistics import median

ROUNDS = 11
_WARM_UP = 2
"""Rounds that are not counted: they fill caches and compile."""
_PAUSE = 0.005
"""Seconds before each job, so that spinning threads of another framework go to sleep."""
_QUICK = 0.03
"""Seconds; a quicker job runs once before it is timed, because the pause let its threads sleep too."""
_LONG_ENOUGH = 0.002
"""Seconds timed at once: a quicker job is called several times in a round."""
_MOST_CALLS = 1000

Action = Callable[[], object]


def _nothing() -> None:
    """Do nothing: on a CPU a call is complete when it returns."""


class Times:
    """Seconds of each job in each round.

    Args:
        jobs: what to time, by name.
        rounds: how many are counted.
        finish: waits for asynchronous work; its time is included.

    Attributes:
        rounds: for each round, the seconds of one call of each job.
    """

    def __init__(self, jobs: Mapping[str, Action], rounds: int = ROUNDS, finish: Action = _nothing) -> None:
        self._finish = finish
        for _ in range(_WARM_UP):
            first = {name: self._seconds(job, 1) for name, job in jobs.items()}
        calls = {name: min(_MOST_CALLS, int(_LONG_ENOUGH / seconds) + 1) for name, seconds in first.items()}
        self.rounds = [
            {name: self._timed(job, calls[name], first[name]) for name, job in jobs.items()} for _ in range(rounds)
        ]

    def _timed(self, job: Action, calls: int, expected: float) -> float:
        time.sleep(_PAUSE)
        if expected < _QUICK:
            self._seconds(job, calls)
        return self._seconds(job, calls)

    def _seconds(self, run: Action, calls: int) -> float:
        start = time.perf_counter()
        for _ in range(calls):
            run()
        self._finish()
        return (time.perf_counter() - start) / calls

    def milliseconds(self, name: str) -> float:
        """Return the median time of one job."""
        return 1e3 * median(times[name] for times in self.rounds)

    def ratio(self, name: str, to: str) -> float:
        """Return the time of one job divided by another's: the median of the ratios within a round."""
        return median(times[name] / times[to] for times in self.rounds)
