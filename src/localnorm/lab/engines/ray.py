"""Ray engine: one actor per worker, on this machine or a cluster, with one torch thread each."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from localnorm.lab.engines.base import Engine, Result, Worker, WorkerDiedError
from localnorm.lab.engines.ray_cluster import import_ray
from localnorm.lab.engines.worker import attempt

_END_SECONDS = 10
"""Time that Ray gets to end a process."""


class RemoteWorker:
    """The code of an actor's process.

    Args:
        folder: the driver's current folder; used here too if it exists.
        path: the driver's ``sys.path``.
    """

    def __init__(self, folder: str, path: list[str]) -> None:
        import torch

        torch.set_num_threads(1)
        with suppress(OSError):
            os.chdir(folder)
        sys.path += [entry for entry in path if entry not in sys.path]

    def ready(self) -> bytes:
        """Answer once the actor runs."""
        return b""

    def run(self, pickled: bytes) -> bytes:
        """Run a call; see `localnorm.lab.engines.worker.attempt`."""
        return attempt(pickled)


@dataclass(eq=False, kw_only=True)
class _Actor(Worker):
    """An actor and the reference to its next message, None while it is idle."""

    actor: Any
    message: Any


class RayEngine(Engine[Result, _Actor]):
    """Run calls in actors of the Ray cluster that this process is connected to.

    Args:
        capacity: number of calls that run at once, at least 1.
        on_start: called with the name of each call when a worker gets it.
        gpus: GPUs per worker; fractions share one.
    """

    start_hint = "check that every node has this localnorm with its extra ray, and enough free memory"

    def __init__(
        self, capacity: int, on_start: Callable[[str], None] = lambda _: None, *, gpus: float = 0
    ) -> None:
        super().__init__(capacity, on_start)
        self._gpus = gpus
        self._ray = import_ray()

    def _start(self) -> _Actor:
        # A class per actor: its environment sets the number of threads before torch is loaded.
        remote = self._ray.remote(num_cpus=1, num_gpus=self._gpus, max_restarts=0)(RemoteWorker)
        actor = remote.remote(os.getcwd(), sys.path)  # noqa: PTH109  as text, for another machine
        return _Actor(actor=actor, message=actor.ready.remote())

    def _send(self, worker: _Actor, call: bytes) -> None:
        worker.message = worker.actor.run.remote(call)

    def _wait(self, workers: Sequence[_Actor], seconds: float | None) -> list[_Actor]:
        by_message = {worker.message: worker for worker in workers}
        if not self._ray.wait(list(by_message), timeout=seconds)[0]:
            return []
        # All that have answered by now, so that results can come before deaths.
        done, _ = self._ray.wait(list(by_message), num_returns=len(by_message), timeout=0)
        return [by_message[message] for message in done]

    def _receive(self, worker: _Actor) -> bytes:
        message, worker.message = worker.message, None
        try:
            return bytes(self._ray.get(message))
        except self._ray.exceptions.RayError as problem:
            raise WorkerDiedError(_short(problem)) from None

    def _kill(self, workers: Sequence[_Actor]) -> None:
        for worker in workers:
            self._ray.kill(worker.actor)
        if busy := [worker.message for worker in workers if worker.message is not None]:
            self._ray.wait(busy, num_returns=len(busy), timeout=_END_SECONDS)


def _short(problem: BaseException) -> str:
    """Shorten Ray's message about a dead actor to one line."""
    lines = [line for line in str(problem).splitlines() if line.strip() and not line.startswith("\t")]
    return " ".join(" ".join(lines).split())[:300]
