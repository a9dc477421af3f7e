"""The report of a tuning: from its folder alone, the same bytes again, and nothing in it that is not escaped."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from browser import BROWSER, RULES, WHY_NONE, look
from localnorm.lab.records.record import Record
from localnorm.lab.records.store import Store
from localnorm.lab.report.tuning.page import write_tuning_report
from localnorm.lab.report.tuning.text import text
from localnorm.lab.tuning.results import make_tuned
from localnorm.lab.tuning.tuning import Tuning
from localnorm.lab.tuning.tuning_file import TUNING_FOLDER
from made_tunings import TUNING, finished, searched
from report_readers import Page, figures

HOSTILE = '</script><script>alert("x")</script>'


def _written(folder: Path, tuning: Tuning, records: dict[str, Record]) -> Page:
    TUNING_FOLDER.write(folder, tuning)
    store = Store(folder)
    for record in records.values():
        store.write(record)
    write_tuning_report(folder)
    return Page((folder / "report.html").read_text(encoding="utf-8"))


def test_the_page_shows_what_was_found_and_draws_it(tmp_path: Path):
    records = finished(TUNING)
    page = _written(tmp_path, TUNING, records)
    found = make_tuned(TUNING, records.values())
    assert found.best.code in page.text
    plots = figures(page)
    assert set(plots) == {"history", "importances", *(f"slice-{number}" for number in range(5))}
    line, ended, stopped = plots["history"]["data"]
    assert ended["x"] == list(range(20))
    assert stopped["x"] == []
    assert line["y"] == [min(ended["y"][: i + 1]) for i in range(20)]
    assert plots["slice-0"]["data"][0]["x"][:2] == [1e-4, 1e-4]
    assert plots["slice-0"]["layout"]["xaxis"]["type"] == "log"
    assert sum(plots["importances"]["data"][0]["x"]) == pytest.approx(1, abs=1e-4)
    # Names have no place on an axis of numbers.
    assert plots["importances"]["layout"]["yaxis"]["type"] == "category"
    rivals, differences, trials = page.tables
    assert [row[0] for row in rivals] == ["values", "article", "tuned", "learned"]
    assert differences[1][0] == "tuned \N{MINUS SIGN} article"
    assert len(trials) == 21
    assert (tmp_path / "plotly.min.js").stat().st_size > 1_000_000
    assert json.loads((tmp_path / "tuned.json").read_text()) == json.loads(json.dumps(found.to_values()))


def test_the_same_records_give_the_same_bytes(tmp_path: Path):
    _written(tmp_path, TUNING, finished(TUNING))
    before = {path: path.read_bytes() for path in tmp_path.glob("*.*")}
    write_tuning_report(tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.glob("*.*")} == before


def test_a_search_that_has_just_begun_says_so(tmp_path: Path):
    page = _written(tmp_path, TUNING, {})
    assert "0 trials of 20 are done" in page.text
    assert "No setting has a result with every seed of the choice yet." in page.text
    assert not page.scripts


def test_trials_stopped_early_are_marked_and_damaged_records_named(tmp_path: Path):
    records = searched(TUNING, status=lambda number: "pruned" if number % 4 == 3 else "ok")
    store = Store(tmp_path)
    _written(tmp_path, TUNING, records)
    damaged = min(store.records.iterdir())
    damaged.write_text("{")
    (written,) = write_tuning_report(tmp_path).damaged
    assert written.path == damaged
    page = Page((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert damaged.name in page.text
    assert "Unfinished. 19 trials of 20 are done" in page.text
    _, ended, stopped = figures(page)["history"]["data"]
    assert len(ended["x"]) + len(stopped["x"]) == 19
    assert len(stopped["x"]) in (4, 5)
    assert all("stopped after epoch 1" in told for told in stopped["text"])


def test_names_are_escaped(tmp_path: Path):
    task = replace(TUNING.task, name=HOSTILE, about=HOSTILE, unit=HOSTILE)
    records = searched(replace(TUNING, task=task), status=lambda number: "failed" if number == 9 else "ok")
    records = {name: replace(record, message=record.message and HOSTILE) for name, record in records.items()}
    page = _written(tmp_path, replace(TUNING, task=task), records)
    assert "alert" not in "".join(page.scripts[1:])
    assert page.scripts[0].count("</script>") == 0
    assert f"failed: {HOSTILE}" in page.text


@pytest.mark.skipif(not BROWSER, reason=WHY_NONE)
def test_page_in_a_browser(tmp_path: Path):
    _written(tmp_path, TUNING, finished(TUNING))
    found = look(tmp_path / "report.html", tmp_path / "profile", rules=RULES)
    assert (found["violations"], found["problems"], found["drawn"], found["plots"]) == ([], [], True, 7)
    phone = look(tmp_path / "report.html", tmp_path / "phone", width=360)
    assert phone["opened"] <= 360


def test_the_text_for_a_terminal():
    found = make_tuned(TUNING, finished(TUNING).values())
    lines = text(found).splitlines()
    assert lines[0] == "local on digits: 20 trials of the search (20 ok)"
    assert lines[2] == found.best.code
    assert lines[3] == f"torch.optim.Adam(model.parameters(), lr={found.best.setting.learning_rate:g})"
    assert [line.split()[0] for line in lines[6:9]] == ["article", "tuned", "learned"]
    assert lines[11].endswith("tuned is better")
    assert "No setting has a result" in text(make_tuned(TUNING, []))
