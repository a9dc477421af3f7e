"""The pool alone: signals, workers killed while they write a message, and scripts without a main guard."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from localnorm.lab.engines.base import WorkerDiedError
from localnorm.lab.engines.pool import Pool
from user_runners import alive, until


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


def _make_ready(pool: Pool) -> None:
    pool.submit("first", os.getpid)
    next(pool.results())


def _pid_of(mark: Path) -> int:
    assert until(lambda: mark.exists() and mark.read_text())
    return int(mark.read_text())


def test_workers_are_deaf_to_interrupts():
    with Pool(1) as pool:
        pool.submit("deaf", _is_deaf_to_interrupts)
        assert next(pool.results()).value is True


@pytest.mark.parametrize("stopped", ["waiting", "writing"])
def test_a_worker_killed_at_work_or_in_mid_message_is_found_out_at_once(tmp_path: Path, stopped: str):
    mark = tmp_path / "mark"
    with Pool(1) as pool:
        _make_ready(pool)
        pool.submit("dies", partial(_mark_and_wait if stopped == "waiting" else _large, mark))
        pool._hand_out()
        pid = _pid_of(mark)
        if stopped == "writing":
            # Nobody reads yet: once the pipe is full, the worker sleeps in the middle of its message.
            assert until(lambda: pool._workers[0].pipe.poll())
        os.kill(pid, signal.SIGKILL)
        (finished,) = pool.results()
        assert isinstance(finished.problem, WorkerDiedError)
        assert str(finished.problem) == "exit code -9"
        pool.submit("next", os.getpid)
        assert next(pool.results()).value != pid


def test_closing_does_not_wait_for_a_worker_in_mid_message(tmp_path: Path):
    with Pool(1) as pool:
        _make_ready(pool)
        pool.submit("large", partial(_large, tmp_path / "mark"))
        pool._hand_out()
        pid = _pid_of(tmp_path / "mark")
        began = time.monotonic()
    # Killed, not asked to finish: the tenth of a second that takes is far below this.
    assert time.monotonic() - began < 10
    assert not alive(pid)


SCRIPT = """
from pathlib import Path
from localnorm.lab import EngineSetup, Study, TaskStudy, compare

task = TaskStudy("digits", "images", "textbook_cnn", "", "", "% error", 0.5)
list(compare(Study((task,), ("none",), (0,)), Path("out"), EngineSetup(workers=2)))
"""


def test_a_script_without_a_main_guard_is_told_so(tmp_path: Path):
    (tmp_path / "script.py").write_text(SCRIPT)
    command = [sys.executable, "script.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert "a worker must start, got 1 in a row that did not (exit code 1)" in last
    assert 'start the study under if __name__ == "__main__":, because each worker imports the script' in last
