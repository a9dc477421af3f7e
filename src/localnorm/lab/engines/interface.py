"""What every engine promises: calls go in, results come out as they come, and nothing waits for a dead worker."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

Result = TypeVar("Result")


class WorkerDiedError(Exception):
    """The process that ran a call ended in the middle of it."""


class TimedOutError(Exception):
    """A call took longer than it may; the process that ran it was ended."""


@dataclass(frozen=True)
class Finished(Generic[Result]):
    """What came of one call: its value, or the problem it ended with."""

    name: str
    value: Result | None = None
    problem: BaseException | None = None


class Engine(AbstractContextManager["Engine[Result]"], Protocol[Result]):
    """Runs calls in other processes; a with statement ends them all.

    `localnorm.lab.engines.pool.Pool` and `localnorm.lab.engines.ray.RayEngine` are engines;
    `tests/lab/engines/test_engines.py` is the conformance suite of both.

    Attributes:
        capacity: calls that run at once, at least 1.
    """

    capacity: int

    def submit(self, name: str, call: Callable[[], Result], seconds: float | None = None) -> None:
        """Run a call as soon as a worker is free; the name is given back with its result.

        Args:
            name: tells calls apart; one that is waiting or running may not be submitted again.
            call: pickled, and run where its module can be imported.
            seconds: the longest it may take from when a worker takes it; by default as long as it likes. Then its
                worker is ended and its problem is a `TimedOutError`.
        """

    def results(self) -> Iterator[Finished[Result]]:
        """Yield what is finished as it comes, until nothing is left; more may be submitted meanwhile.

        A call whose worker dies has the problem `WorkerDiedError`; results come before deaths found with them.
        """

    def cancel(self, name: str) -> None:
        """Drop a call that waits, or end the worker that runs it; no result will come of it."""

    def close(self) -> None:
        """End all workers; what they were at is lost."""


OpenEngine = Callable[[int, Callable[[str], None]], Engine[Result]]
"""Opens an engine of a capacity, which calls what it is given with the name of each call that a worker gets."""
