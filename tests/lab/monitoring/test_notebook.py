"""Progress in a notebook: one display, updated; nothing outside a notebook."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from localnorm.lab.monitoring import notebook
from localnorm.lab.monitoring.callback import DONE, Progress, RunStart
from localnorm.lab.monitoring.notebook import NotebookProgress, notebook_progress
from localnorm.lab.records.record import Record, Trial

TRIAL = Trial("digits", "textbook_cnn", "none", 0, 3e-3, 128, 1)


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """The calls of a fake IPython: (display or update, text)."""
    calls: list[tuple[str, str]] = []

    def update(data: dict[str, str], *, raw: bool) -> None:
        assert raw
        calls.append(("update", data["text/plain"]))

    def display(data: dict[str, str], *, raw: bool, display_id: bool) -> Any:
        assert raw
        assert display_id
        calls.append(("display", data["text/plain"]))
        return SimpleNamespace(update=update)

    ipython, module = ModuleType("IPython"), ModuleType("IPython.display")
    vars(ipython)["get_ipython"] = lambda: SimpleNamespace(kernel=None)
    vars(module)["display"] = display
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", module)
    return calls


def test_the_line_is_displayed_once_and_then_updated(
    shown: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notebook, "_UPDATE_SECONDS", 0.0)
    (progress,) = notebook_progress()
    progress.run_started(RunStart(total=3, kept=1, damaged=()))
    progress.job_finished(Record(TRIAL, "ok"), 1.0)
    progress.job_finished(Record(TRIAL, "failed"), 1.0)
    progress.progressed(Progress(3, 0, 2, 4, 0.0))
    progress.run_stopped(DONE)
    assert [call for call, _ in shown] == ["display", *4 * ["update"]]
    assert shown[0][1] == "measuring: 1 of 3 jobs, 0 failed"
    assert shown[-1][1] == "measuring: 3 of 3 jobs, 1 failed, 2 of 4 cells decided"


def test_many_records_in_a_short_time_are_one_update(shown: list[tuple[str, str]]) -> None:
    progress = NotebookProgress()
    progress.run_started(RunStart(total=1000, kept=0, damaged=()))
    for _ in range(1000):
        progress.job_finished(Record(TRIAL, "ok"), 0.0)
    progress.run_stopped("no memory")
    assert len(shown) < 10
    assert shown[-1][1].endswith("1000 of 1000 jobs, 0 failed; stopped: no memory")


def test_no_line_in_a_shell_or_script(monkeypatch: pytest.MonkeyPatch) -> None:
    ipython = ModuleType("IPython")
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    for shell in (None, SimpleNamespace()):
        vars(ipython)["get_ipython"] = lambda shell=shell: shell
        assert notebook_progress() == ()
