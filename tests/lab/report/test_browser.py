"""The pages in a real browser: readable by everyone, on a phone too, with their plots drawn."""

from __future__ import annotations

from pathlib import Path

import pytest

from browser import BROWSER, RULES, WHY_NONE, look
from image_records import STUDY, write_every_kind
from localnorm.lab.report import Report, write_report

pytestmark = pytest.mark.skipif(not BROWSER, reason=WHY_NONE)
PAGES = ("report.html", *(f"report-{task.name}.html" for task in STUDY.tasks))


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    return write_report(write_every_kind(tmp_path_factory.mktemp("browser")))


@pytest.mark.parametrize(
    "name", ["report.html", "report-digits.html", "report-digit-scenes.html", "report-style.html"]
)
def test_page_breaks_no_rule_of_accessibility(report: Report, tmp_path: Path, name: str) -> None:
    found = look(report.folder / name, tmp_path, rules=RULES)
    assert found["violations"] == []
    assert found["passed"] > 15
    assert found["problems"] == []
    assert found["drawn"]
    assert all(found["images"])
    assert bool(found["images"]) == (name == "report-style.html")


@pytest.mark.parametrize("name", PAGES)
def test_page_fits_a_phone(report: Report, tmp_path: Path, name: str) -> None:
    found = look(report.folder / name, tmp_path, width=360)
    assert found["width"] == 360
    assert found["scrolled"] <= 360
    assert found["opened"] <= 360


def test_a_page_alone_says_what_its_plots_need(report: Report, tmp_path: Path) -> None:
    alone = tmp_path / "alone"
    alone.mkdir()
    page = alone / "report-style.html"
    page.write_bytes((report.folder / page.name).read_bytes())
    found = look(page, tmp_path / "profile", rules=RULES)
    assert not found["drawn"]
    assert found["violations"] == []
    assert found["undrawn"] == ["The plots need plotly.min.js beside this page; their numbers are below them."] * 2


def test_the_check_finds_what_is_wrong(tmp_path: Path) -> None:
    """A check that finds nothing anywhere would pass every page."""
    page = tmp_path / "wrong.html"
    page.write_text(
        '<!doctype html><title>wrong</title><body><img src="data:,"><p style="color:#eee">pale</p>'
        '<div style="width:900px">wide</div>',
        encoding="utf-8",
    )
    assert {name for name, _ in look(page, tmp_path / "a", rules=RULES)["violations"]} >= {
        "image-alt", "color-contrast", "html-has-lang",
    }  # fmt: skip
    assert look(page, tmp_path / "b", width=360)["scrolled"] > 360
