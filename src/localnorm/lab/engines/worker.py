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

READY = b""
"""What a worker says once, when it can take calls: no answer is empty."""


def serve(pipe: Connection) -> None:
    """Run the calls that come through the pipe, until the other end is gone."""
    import torch

    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_follow_parent, daemon=True).start()
    with suppress(EOFError, OSError):
        pipe.send_bytes(READY)
        while True:
            pipe.send_bytes(attempt(pipe.recv_bytes()))


def _follow_parent() -> None:
    """End this process as soon as the parent has ended, also by kill -9."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def attempt(pickled: bytes) -> bytes:
    """Return, pickled, the value of a call and the problem it ended with and where; one of the two is None.

    Args:
        pickled: a call without arguments.

    Example:
        >>> pickle.loads(attempt(pickle.dumps(dict)))
        ({}, None)
    """
    try:
        call: Callable[[], Any] = pickle.loads(pickled)  # noqa: S301  from our parent
        return pickle.dumps((call(), None))
    except BaseException as problem:  # noqa: BLE001  it is raised again where the call was asked for
        problem.add_note(f"In a worker process:\n{traceback.format_exc()}")
        try:
            answer = pickle.dumps((None, problem))
            pickle.loads(answer)  # noqa: S301  our own bytes, a moment old
        except Exception:  # noqa: BLE001  whatever a foreign exception's pickling raises
            return pickle.dumps((None, RuntimeError(f"{type(problem).__name__}: {problem}")))
        return answer
