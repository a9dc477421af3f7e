"""Base class of the engines: a queue of calls, run in worker processes, with deadlines and replaced workers."""

from __future__ import annotations

import math
import pickle
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from localnorm.errors import LabError

Result = TypeVar("Result")
_FAILED_STARTS = 3
"""Workers in a row that end before they are ready; more would end like them."""


class WorkerDiedError(Exception):
    """The worker process ended during a call, or before it was ready.

    Args:
        message: how it ended.
        permanent: whether another worker would end the same way.
    """

    def __init__(self, message: str, *, permanent: bool = False) -> None:
        super().__init__(message)
        self.permanent = permanent


class TimedOutError(Exception):
    """A call took longer than its limit, so its worker was killed."""


@dataclass(frozen=True)
class Finished(Generic[Result]):
    """The outcome of a call: its value, or the exception that it raised."""

    name: str
    value: Result | None = None
    problem: BaseException | None = None


@dataclass(eq=False)
class Worker:
    """State of a worker; engines add how they reach it.

    Attributes:
        ready: whether it has started and can take a call.
        name: of the call that it runs.
        seconds: the limit of that call.
        deadline: when the limit ends, on the monotonic clock.
    """

    ready: bool = False
    name: str | None = None
    seconds: float | None = None
    deadline: float = math.inf


W = TypeVar("W", bound=Worker)


class Engine(ABC, Generic[Result, W]):
    """Run calls in at most `capacity` worker processes; leaving its with statement kills them all.

    A worker is started when a call waits for it and gets a call when it is ready. Subclasses only start, send,
    wait, receive and kill. `tests/lab/engines/test_engines.py` is the conformance suite.

    Args:
        capacity: number of calls that run at once, at least 1.
        on_start: called with the name of each call when a worker gets it.
    """

    start_hint: str
    """What to do if workers end before they are ready."""

    def __init__(self, capacity: int, on_start: Callable[[str], None] = lambda _: None) -> None:
        self.capacity = capacity
        self._on_start = on_start
        self._waiting: deque[tuple[str, bytes, float | None]] = deque()
        self._workers: list[W] = []
        self._failed_starts = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def submit(self, name: str, call: Callable[[], Result], seconds: float | None = None) -> None:
        """Run a call as soon as a worker is free.

        Args:
            name: identifies the call in its result; unique among the calls that wait or run.
            call: pickled, and run where its module can be imported.
            seconds: the limit, counted from when a worker gets the call. After it the worker is killed and the
                problem of the call is a `TimedOutError`. None for no limit.
        """
        self._waiting.append((name, pickle.dumps(call), seconds))

    def results(self) -> Iterator[Finished[Result]]:
        """Yield results as calls finish, until none is left; more may be submitted meanwhile.

        The problem of a call whose worker dies is a `WorkerDiedError`. If results and deaths arrive together, the
        results come first.

        Raises:
            LabError: workers end before they are ready.
        """
        while self._waiting or any(worker.name is not None for worker in self._workers):
            self._hand_out()
            pending = [worker for worker in self._workers if worker.name is not None or not worker.ready]
            first = min(worker.deadline for worker in pending)
            heard = self._wait(pending, None if first == math.inf else max(first - time.monotonic(), 0))
            answers = [answer for worker in heard if (answer := self._answer(worker))]
            late = [w for w in pending if w not in heard and w.deadline <= time.monotonic()]
            self._end(late)
            answers += [
                Finished(str(w.name), problem=TimedOutError(f"it took more than {w.seconds:g} seconds"))
                for w in late
            ]
            self._hand_out()
            yield from sorted(answers, key=lambda answer: isinstance(answer.problem, WorkerDiedError))

    def cancel(self, name: str) -> None:
        """Drop a waiting call, or kill the worker that runs it; it yields no result."""
        self._waiting = deque(call for call in self._waiting if call[0] != name)
        self._end([worker for worker in self._workers if worker.name == name])

    def close(self) -> None:
        """Kill all workers; their calls are lost."""
        self._waiting.clear()
        self._end(list(self._workers))

    def _hand_out(self) -> None:
        for worker in self._workers:
            if self._waiting and worker.ready and worker.name is None:
                worker.name, call, worker.seconds = self._waiting.popleft()
                worker.deadline = math.inf if worker.seconds is None else time.monotonic() + worker.seconds
                self._send(worker, call)
                self._on_start(worker.name)
        starting = sum(not worker.ready for worker in self._workers)
        for _ in range(min(self.capacity - len(self._workers), len(self._waiting) - starting)):
            self._workers.append(self._start())

    def _answer(self, worker: W) -> Finished[Result] | None:
        """Return the result that a worker has sent; None if it has just started, or failed to."""
        name, worker.name, worker.deadline = worker.name, None, math.inf
        try:
            message = self._receive(worker)
        except WorkerDiedError as problem:
            self._end([worker])
            if worker.ready:
                return Finished(str(name), problem=problem)
            self._failed_starts += 1
            if problem.permanent or self._failed_starts == _FAILED_STARTS:
                raise LabError(
                    f"a worker must start, got {self._failed_starts} in a row that did not ({problem}); "
                    f"{self.start_hint}."
                ) from None
            return None
        self._failed_starts = 0
        if not worker.ready:
            worker.ready = True
            return None
        return Finished(str(name), *pickle.loads(message))  # noqa: S301  sent by our own worker

    def _end(self, workers: Sequence[W]) -> None:
        for worker in workers:
            self._workers.remove(worker)
        self._kill(workers)

    @abstractmethod
    def _start(self) -> W:
        """Start a worker, which will send one message when it is ready."""

    @abstractmethod
    def _send(self, worker: W, call: bytes) -> None:
        """Send a call; if the worker is dead, `_receive` will tell."""

    @abstractmethod
    def _wait(self, workers: Sequence[W], seconds: float | None) -> list[W]:
        """Wait until some workers have sent a message or died, and return these; none after the seconds."""

    @abstractmethod
    def _receive(self, worker: W) -> bytes:
        """Return the message of a worker, or raise `WorkerDiedError`."""

    @abstractmethod
    def _kill(self, workers: Sequence[W]) -> None:
        """Kill workers and wait until they have ended, because they write records."""


EngineFactory = Callable[[int, Callable[[str], None]], Engine[Result, Any]]
"""Makes an engine from its capacity and its `on_start`."""
