"""Ray as an engine: one actor a slot, on one machine or many, each on one torch thread."""

from __future__ import annotations

import math
import os
import pickle
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Generic, Self

from localnorm.errors import LabError
from localnorm.lab.engines.interface import Finished, Result, TimedOutError, WorkerDiedError
from localnorm.lab.engines.ray_cluster import import_ray
from localnorm.lab.engines.worker import attempt

_FALSE_STARTS = 3
"""Workers in a row that end before they can take a call: then something is wrong with all of them."""
_END_SECONDS = 10
"""How long to wait until Ray has ended a process."""


class Worker:
    """What runs in an actor's process.

    Args:
        folder: the current folder of who asks; here too, where it exists.
        path: where the modules of who asks are found.
    """

    def __init__(self, folder: str, path: list[str]) -> None:
        import torch

        torch.set_num_threads(1)
        with suppress(OSError):
            os.chdir(folder)
        sys.path += [place for place in path if place not in sys.path]

    def ready(self) -> None:
        """Answer."""

    def run(self, pickled: bytes) -> bytes:
        """Run a call; see `localnorm.lab.engines.worker.attempt`."""
        return attempt(pickled)


@dataclass
class _Slot:
    """An actor, what it is to answer, whether it takes calls yet, and the call it is at with its deadline."""

    actor: Any
    awaited: Any
    ready: bool = False
    name: str | None = None
    seconds: float | None = None
    deadline: float = math.inf


class RayEngine(Generic[Result]):
    """Runs calls in at most `capacity` actors of the cluster this process is connected to.

    A slot is given a call once its actor has started, so calls do not wait for a machine that is still to come.

    Args:
        capacity: calls that run at once, at least 1.
        began: called with the name of each call that a worker is given.
        gpus: GPUs that each actor has for itself, in parts of one.
    """

    def __init__(self, capacity: int, began: Callable[[str], None] = lambda _: None, *, gpus: float = 0) -> None:
        self.capacity = capacity
        self._began = began
        self._gpus = gpus
        self._ray = import_ray()
        self._waiting: deque[tuple[str, bytes, float | None]] = deque()
        self._slots: list[_Slot] = []
        self._false_starts = 0

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
        """Yield what is finished as it comes, until nothing is left; more may be submitted meanwhile.

        Raises:
            LabError: workers end as soon as they are started.
        """
        while self._waiting or any(slot.name is not None for slot in self._slots):
            self._hand_out()
            awaited = {slot.awaited: slot for slot in self._slots if slot.awaited is not None}
            first = min(slot.deadline for slot in awaited.values())
            patience = None if first == math.inf else max(first - time.monotonic(), 0)
            if self._ray.wait(list(awaited), timeout=patience)[0]:
                # All that have answered by now, so that results can come before deaths.
                done, _ = self._ray.wait(list(awaited), num_returns=len(awaited), timeout=0)
            else:
                done = []
            answers = [answer for one in done if (answer := self._answer(awaited.pop(one)))]
            late = [slot for slot in awaited.values() if slot.deadline <= time.monotonic()]
            answers += [self._stop(slot) for slot in late]
            self._hand_out()
            yield from sorted(answers, key=lambda answer: isinstance(answer.problem, WorkerDiedError))

    def cancel(self, name: str) -> None:
        """Drop a call that waits, or end the worker that runs it; no result will come of it."""
        self._waiting = deque(call for call in self._waiting if call[0] != name)
        self._end([slot for slot in self._slots if slot.name == name])

    def close(self) -> None:
        """End all workers; what they were at is lost."""
        self._waiting.clear()
        self._end(list(self._slots))

    def _hand_out(self) -> None:
        for slot in self._slots:
            if self._waiting and slot.ready and slot.name is None:
                slot.name, call, slot.seconds = self._waiting.popleft()
                slot.deadline = math.inf if slot.seconds is None else time.monotonic() + slot.seconds
                slot.awaited = slot.actor.run.remote(call)
                self._began(slot.name)
        coming = sum(not slot.ready for slot in self._slots)
        for _ in range(min(self.capacity - len(self._slots), len(self._waiting) - coming)):
            # Its own environment says how many threads it has before torch is loaded.
            remote = self._ray.remote(num_cpus=1, num_gpus=self._gpus, max_restarts=0)(Worker)
            actor = remote.remote(os.getcwd(), sys.path)  # noqa: PTH109  as text, for another machine
            self._slots.append(_Slot(actor, actor.ready.remote()))

    def _answer(self, slot: _Slot) -> Finished[Result] | None:
        name, awaited = slot.name, slot.awaited
        slot.name, slot.awaited, slot.deadline = None, None, math.inf
        try:
            said = self._ray.get(awaited)
        except self._ray.exceptions.RayError as problem:
            self._end([slot])
            if slot.ready:
                return Finished(str(name), problem=WorkerDiedError(_short(problem)))
            self._false_starts += 1
            if self._false_starts == _FALSE_STARTS:
                raise LabError(
                    f"a worker must start, got {_FALSE_STARTS} in a row that did not ({_short(problem)}); check "
                    "that every node has this localnorm with its extra ray, and memory left."
                ) from None
            return None
        self._false_starts = 0
        if not slot.ready:
            slot.ready = True
            return None
        return Finished(str(name), *pickle.loads(said))  # noqa: S301  from our own worker

    def _stop(self, slot: _Slot) -> Finished[Result]:
        self._end([slot])
        return Finished(str(slot.name), problem=TimedOutError(f"it took more than {slot.seconds:g} seconds"))

    def _end(self, slots: list[_Slot]) -> None:
        """End actors, and wait until what they were at is known to be over: they write records."""
        for slot in slots:
            self._slots.remove(slot)
            self._ray.kill(slot.actor)
        if busy := [slot.awaited for slot in slots if slot.awaited is not None]:
            self._ray.wait(busy, num_returns=len(busy), timeout=_END_SECONDS)


def _short(problem: BaseException) -> str:
    """Return on one line what Ray says of a death, without the names it has for things."""
    lines = [line for line in str(problem).splitlines() if line.strip() and not line.startswith("\t")]
    return " ".join(" ".join(lines).split())[:300]
