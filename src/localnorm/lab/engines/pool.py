"""A pool of long-lived spawned processes, one torch thread each, that outlives the death of any of them.

The asking process has no thread and no lock in it, and each worker a pipe of its own: so a worker can be killed
at any moment, also in the middle of a message, and nothing waits for what will never come.
"""

from __future__ import annotations

import math
import multiprocessing
import pickle
import signal
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from types import TracebackType
from typing import Generic, Self

from localnorm.lab.engines.interface import Finished, Result, TimedOutError, WorkerDiedError
from localnorm.lab.engines.worker import READY, serve


@dataclass
class _Worker:
    """A process, the pipe to it, whether it takes calls yet, and the call it is at with its end at the latest."""

    process: SpawnProcess
    pipe: Connection
    ready: bool = False
    name: str | None = None
    seconds: float | None = None
    deadline: float = math.inf

    def start_clock(self) -> None:
        """Count the time of its call from now."""
        self.deadline = math.inf if self.seconds is None else time.monotonic() + self.seconds


class Pool(Generic[Result]):
    """Runs calls in at most `capacity` processes; use it in a with statement, which ends them all.

    Args:
        capacity: calls that run at once, at least 1.
        began: called with the name of each call that a worker is given.
    """

    def __init__(self, capacity: int, began: Callable[[str], None] = lambda _: None) -> None:
        self.capacity = capacity
        self._began = began
        self._waiting: deque[tuple[str, bytes, float | None]] = deque()
        self._workers: list[_Worker] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def submit(self, name: str, call: Callable[[], Result], seconds: float | None = None) -> None:
        """Run a call as soon as a worker is free, for at most so many seconds; see `Engine`."""
        self._waiting.append((name, pickle.dumps(call), seconds))

    def results(self) -> Iterator[Finished[Result]]:
        """Yield what is finished as it comes, until nothing is left; more may be submitted meanwhile."""
        while self._waiting or any(worker.name is not None for worker in self._workers):
            self._hand_out()
            busy = {worker.pipe: worker for worker in self._workers if worker.name is not None}
            first = min(worker.deadline for worker in busy.values())
            patience = None if first == math.inf else max(first - time.monotonic(), 0)
            # A pipe is ready also where its worker has died.
            ready = [busy.pop(pipe) for pipe in wait(list(busy), patience) if isinstance(pipe, Connection)]
            answers = [answer for worker in ready if (answer := self._answer(worker))]
            # Whoever has just answered was in time.
            late = [worker for worker in busy.values() if worker.deadline <= time.monotonic()]
            answers += [self._stop(worker) for worker in late]
            self._hand_out()
            # Results before deaths: those that came together with one are not lost.
            yield from sorted(answers, key=lambda answer: isinstance(answer.problem, WorkerDiedError))

    def cancel(self, name: str) -> None:
        """Drop a call that waits, or end the worker that runs it; no result will come of it."""
        self._waiting = deque(call for call in self._waiting if call[0] != name)
        for worker in [worker for worker in self._workers if worker.name == name]:
            self._end(worker)

    def close(self) -> None:
        """End all workers; what they were at is lost."""
        self._waiting.clear()
        for worker in self._workers:
            worker.process.kill()
        while self._workers:
            self._end(self._workers[0])

    def _hand_out(self) -> None:
        while self._waiting:
            worker = next((worker for worker in self._workers if worker.name is None), None)
            if worker is None:
                if len(self._workers) == self.capacity:
                    return
                worker = _started()
                self._workers.append(worker)
            worker.name, call, worker.seconds = self._waiting.popleft()
            if worker.ready:
                worker.start_clock()
            # One that has died takes nothing, and is found out by its pipe.
            with suppress(OSError):
                worker.pipe.send_bytes(call)
            self._began(worker.name)

    def _answer(self, worker: _Worker) -> Finished[Result] | None:
        name = str(worker.name)
        try:
            said = worker.pipe.recv_bytes()
        except (EOFError, OSError):
            self._end(worker)
            return Finished(name, problem=WorkerDiedError(f"exit code {worker.process.exitcode}"))
        if said == READY:
            worker.ready = True
            worker.start_clock()
            return None
        worker.name, worker.deadline = None, math.inf
        return Finished(name, *pickle.loads(said))  # noqa: S301  from our child

    def _stop(self, worker: _Worker) -> Finished[Result]:
        self._end(worker)
        return Finished(str(worker.name), problem=TimedOutError(f"it took more than {worker.seconds:g} seconds"))

    def _end(self, worker: _Worker) -> None:
        self._workers.remove(worker)
        worker.process.kill()
        worker.process.join()
        worker.pipe.close()


def _started() -> _Worker:
    """Start a worker that is deaf to Ctrl-C from its first moment: a terminal sends that to all processes."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=serve, args=(there,))
    mask = getattr(signal, "pthread_sigmask", None)
    before = mask(signal.SIG_BLOCK, {signal.SIGINT}) if mask else set()
    try:
        process.start()
    finally:
        if mask:
            mask(signal.SIG_SETMASK, before)
    # The other end must be open in the worker alone: then its death closes it.
    there.close()
    return _Worker(process, here)
