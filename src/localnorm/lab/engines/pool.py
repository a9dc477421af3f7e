"""Local process pool: spawned workers with one torch thread each, replaced if they die.

The parent has no helper thread and no lock, and each worker has its own pipe. A worker can therefore be killed at
any moment, even while it writes a message, and no other waits for it.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess

from localnorm.lab.engines.base import Engine, Result, Worker, WorkerDiedError
from localnorm.lab.engines.worker import serve


@dataclass(eq=False, kw_only=True)
class _Process(Worker):
    process: SpawnProcess
    pipe: Connection


class Pool(Engine[Result, _Process]):
    """Run calls in spawned processes on this machine."""

    start_hint = (
        'in a script, start the study under if __name__ == "__main__":, because each worker imports the script; '
        "otherwise read the worker's traceback above, or free some memory"
    )

    def _start(self) -> _Process:
        """Start a worker with SIGINT blocked: a terminal sends Ctrl-C to all its processes."""
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=serve, args=(theirs,))
        mask = getattr(signal, "pthread_sigmask", None)
        before = mask(signal.SIG_BLOCK, {signal.SIGINT}) if mask else set()
        try:
            process.start()
        finally:
            if mask:
                mask(signal.SIG_SETMASK, before)
        # The worker must hold the only copy of its end, so that its death closes the pipe.
        theirs.close()
        return _Process(process=process, pipe=ours)

    def _send(self, worker: _Process, call: bytes) -> None:
        with suppress(OSError):
            worker.pipe.send_bytes(call)

    def _wait(self, workers: Sequence[_Process], seconds: float | None) -> list[_Process]:
        # The pipe of a dead worker is ready, too.
        ready = wait([worker.pipe for worker in workers], seconds)
        return [worker for worker in workers if worker.pipe in ready]

    def _receive(self, worker: _Process) -> bytes:
        try:
            return worker.pipe.recv_bytes()
        except (EOFError, OSError):
            worker.process.kill()
            worker.process.join()
            code = worker.process.exitcode
            # Exit code 1 before the first message is an exception: of the script that a spawned process imports.
            raise WorkerDiedError(f"exit code {code}", permanent=code == 1 and not worker.ready) from None

    def _kill(self, workers: Sequence[_Process]) -> None:
        for worker in workers:
            worker.process.kill()
        for worker in workers:
            worker.process.join()
            worker.pipe.close()
