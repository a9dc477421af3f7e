"""What runs in a worker process: one call after the other, on one torch thread, while its parent lives."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from typing import Any


def serve(pipe: Connection) -> None:
    """Run the calls that come through the pipe, until the other end is gone."""
    import torch

    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_follow_parent, daemon=True).start()
    with suppress(EOFError, OSError):
        while True:
            pipe.send(_attempt(pipe.recv_bytes()))


def _follow_parent() -> None:
    """End this process as soon as the parent has ended, also by kill -9."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def _attempt(pickled: bytes) -> tuple[Any, BaseException | None]:
    """Return the value of a call, or the problem it ended with and where."""
    try:
        call: Callable[[], Any] = pickle.loads(pickled)  # noqa: S301  from our parent
        return call(), None
    except BaseException as problem:  # noqa: BLE001  it is raised again where the call was asked for
        problem.add_note(f"In a worker process:\n{traceback.format_exc()}")
        try:
            pickle.loads(pickle.dumps(problem))  # noqa: S301  our own bytes, a moment old
        except Exception:  # noqa: BLE001  whatever a foreign exception's pickling raises
            return None, RuntimeError(f"{type(problem).__name__}: {problem}")
        return None, problem
