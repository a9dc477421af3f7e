"""The pool: what is asked for is answered, and nothing waits for a worker that is dead or stuck."""

from __future__ import annotations

import os
import signal
import time
from functools import partial
from pathlib import Path

import pytest

from localnorm.lab.engine_interface import WorkerDiedError
from localnorm.lab.pool import Pool
from localnorm.lab.worker import READY
from own_runners import alive, until


class _UnpicklableError(Exception):
    def __init__(self, one: str, other: str):
        super().__init__(one + other)


def _fail():
    raise ValueError("a rule")


def _fail_unpicklably():
    raise _UnpicklableError("one", "other")


def _mark_and_wait(mark: Path):
    mark.write_text(str(os.getpid()))
    time.sleep(60)


def _is_deaf_to_interrupts() -> bool:
    os.kill(os.getpid(), signal.SIGINT)
    return True


def _large(mark: Path) -> bytes:
    """Return more than a pipe holds, so that a worker is in the middle of writing it for a while."""
    mark.write_text(str(os.getpid()))
    return bytes(50_000_000)


def _pid_of(mark: Path) -> int:
    assert until(lambda: mark.exists() and mark.read_text())
    return int(mark.read_text())


def test_values_and_problems_come_under_their_names_from_workers_that_live_on():
    with Pool(1) as pool:
        for name, call in {"pid": os.getpid, "fails": _fail, "odd": _fail_unpicklably, "again": os.getpid}.items():
            pool.submit(name, call)
        done = {finished.name: finished for finished in pool.results()}
    assert done["pid"].value == done["again"].value != os.getpid()
    assert isinstance(done["fails"].problem, ValueError)
    assert "_fail" in done["fails"].problem.__notes__[0]
    assert str(done["odd"].problem) == "_UnpicklableError: oneother"
    assert not alive(done["pid"].value)


def test_workers_are_deaf_to_interrupts():
    with Pool(1) as pool:
        pool.submit("deaf", _is_deaf_to_interrupts)
        assert next(pool.results()).value is True


def test_a_call_may_be_submitted_while_results_come():
    with Pool(2) as pool:
        pool.submit("0", os.getpid)
        names = []
        for finished in pool.results():
            names.append(finished.name)
            if len(names) < 4:
                pool.submit(str(len(names)), os.getpid)
    assert names == ["0", "1", "2", "3"]


def test_a_cancelled_call_has_no_result_and_its_worker_is_replaced(tmp_path: Path):
    with Pool(1) as pool:
        pool.submit("waits", partial(_mark_and_wait, tmp_path / "mark"))
        pool.submit("dropped", _fail)
        pool.submit("pid", os.getpid)
        pool._hand_out()
        stuck = _pid_of(tmp_path / "mark")
        pool.cancel("waits")
        pool.cancel("dropped")
        (finished,) = pool.results()
    assert finished.name == "pid"
    assert finished.value != stuck
    assert not alive(stuck)


@pytest.mark.parametrize("stopped", ["waiting", "writing"])
def test_a_worker_killed_at_work_or_in_mid_message_is_found_out_at_once(tmp_path: Path, stopped: str):
    mark = tmp_path / "mark"
    with Pool(1) as pool:
        pool.submit("dies", partial(_mark_and_wait if stopped == "waiting" else _large, mark))
        pool._hand_out()
        pid = _pid_of(mark)
        if stopped == "writing":
            # Nobody reads yet: once the pipe is full the worker sleeps in the middle of its message.
            assert pool._workers[0].pipe.recv_bytes() == READY
            assert until(lambda: pool._workers[0].pipe.poll())
        os.kill(pid, signal.SIGKILL)
        (finished,) = pool.results()
        assert isinstance(finished.problem, WorkerDiedError)
        assert str(finished.problem) == "exit code -9"
        pool.submit("next", os.getpid)
        assert next(pool.results()).value != pid


def test_closing_does_not_wait_for_a_worker_in_mid_message(tmp_path: Path):
    with Pool(1) as pool:
        pool.submit("large", partial(_large, tmp_path / "mark"))
        pool._hand_out()
        pid = _pid_of(tmp_path / "mark")
        began = time.monotonic()
    # Killed, not asked to finish: the tenth of a second that takes is far below this.
    assert time.monotonic() - began < 10
    assert not alive(pid)
