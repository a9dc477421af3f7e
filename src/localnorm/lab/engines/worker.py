"""Main loop of a worker process: run calls one after another on one torch thread, until the parent ends."""

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
"""Message that a worker sends once, when it can take calls; no result is empty."""


def serve(pipe: Connection) -> None:
    """Run the calls that come through the pipe, until its other end is closed."""
    import torch

    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_follow_parent, daemon=True).start()
    with suppress(EOFError, OSError):
        pipe.send_bytes(READY)
        while True:
            pipe.send_bytes(attempt(pipe.recv_bytes()))


def _follow_parent() -> None:
    """End this process as soon as the parent ends, even by SIGKILL."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def attempt(pickled: bytes) -> bytes:
    """Run a call and return the pickled pair of its value and its exception, of which one is None.

    Args:
        pickled: a callable without arguments.

    Example:
        >>> pickle.loads(attempt(pickle.dumps(dict)))
        ({}, None)
    """
    try:
        call: Callable[[], Any] = pickle.loads(pickled)  # noqa: S301  from our parent
        return pickle.dumps((call(), None))
    except BaseException as problem:  # noqa: BLE001  raised again in the driver
        problem.add_note(f"In a worker process:\n{traceback.format_exc()}")
        try:
            answer = pickle.dumps((None, problem))
            pickle.loads(answer)  # noqa: S301  our own bytes
        except Exception:  # noqa: BLE001  pickling runs code of the exception's class
            return pickle.dumps((None, RuntimeError(f"{type(problem).__name__}: {problem}")))
        return answer
