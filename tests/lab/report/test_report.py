"""The report of a study: complete, honest, the same every time, and safe to open."""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
from dataclasses import replace
from html import escape
from pathlib import Path

import pytest
from plotly.offline import get_plotlyjs

from localnorm.errors import RecordError
from localnorm.lab.report import write_report
from localnorm.lab.report.terminal import MOST_LINES
from localnorm.lab.report.wording import VERDICTS, number
from report_readers import Page, Written, figures, on_task, opinions, pages, printed, written
from report_records import DIGITS, STUDY, ended, write_records

FAILED_ON_ROWS = ended("instance", "failed", "needs positions", "digit-rows")
SCRIPT, IMAGE = "<script>alert(1)</script>", '"><img src=x onerror=alert(2)>'


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Written:
    """A study in which everything ended well but one norm on one task."""
    folder = tmp_path_factory.mktemp("example")
    return written(write_records(folder, change=FAILED_ON_ROWS))


@pytest.fixture
def hostile(tmp_path: Path) -> Written:
    study = replace(STUDY, norms=("none", SCRIPT, IMAGE))
    return written(write_records(tmp_path, study, ended(SCRIPT, "failed", IMAGE, "digits")))


def test_page_judges_every_opinion_of_the_article(example: Written) -> None:
    report, page = example
    criterion, seen = "", []
    for row in page.tables[0][1:]:
        if len(row) == 1:
            criterion = next(r.row.name for r in report.table.rows if row[0].startswith(r.row.name))
        else:
            verdict = next(v for v in sorted(VERDICTS, key=len, reverse=True) if v in row[2])
            seen.append((criterion, row[0], row[1].strip("“”"), verdict))
    assert len(seen) == 18
    assert seen == opinions(report)
    assert {verdict for *_, verdict in seen} == {"supported", "not supported"}


def test_page_shows_every_norm_in_every_row_with_its_comparison(example: Written) -> None:
    report, page = example
    head, *body = page.tables[1]
    assert head[1:] == list(report.table.study.norms)
    assert len(body) == len(report.table.rows)
    for row, (name, *cells) in zip(report.table.rows, body, strict=True):
        assert name.startswith(row.row.name)
        assert row.row.unit in name
        for cell, text in zip(row.cells, cells, strict=True):
            if cell.estimate is None:
                assert text == "no result"
            elif row.row.exact:
                assert text.startswith(cell.measured)
            else:
                assert text.startswith(number(cell.estimate.value, row.row.decimals))
                assert cell.judgement is None or text.endswith(cell.judgement.comparison)


def test_page_says_why_there_is_no_result(example: Written) -> None:
    report, page = example
    assert "suitability for RNNs (instance): failed: needs positions" in page.text
    assert ["training on digit-rows", "instance", "failed", "2", "needs positions"] in page.tables[-1]
    assert "digit-rows: no line for instance" in on_task(report, "digit-rows").text


def test_every_task_has_a_page_and_the_terminal_one_screen(tmp_path: Path) -> None:
    scenes = replace(DIGITS, name='<scenes>"', model="m", unit="points", smallest_effect=0.004)
    study = replace(STUDY, tasks=(*STUDY.tasks, scenes))
    report, page = written(write_records(tmp_path, study))
    of_tasks = [on_task(report, task.name) for task in study.tasks]
    assert list(pages(report)) == [
        "report.html",
        "report-digits.html",
        "report-digit-rows.html",
        "report-scenes.html",
    ]
    overall, *by_task = (
        next(table for table in one.tables if table[0][0] == "criterion") for one in (page, *of_tasks)
    )
    assert [len(table) - 1 for table in (overall, *by_task)] == [9, 5, 1, 5]
    for table, section in zip(by_task, report.table.sections, strict=True):
        assert [line[0].split(" % ")[0].split(" points")[0] for line in table[1:]] == [
            row.row.name for row in section.rows
        ]
    for place in (0, 2):
        assert {f"{name}-{place}" for name in ("learning", "batch-size")} <= set(figures(of_tasks[place]))
    # Errors that are no shares have no accuracy.
    for place, axis in ((0, "validation accuracy, %"), (2, "validation error, points")):
        assert figures(of_tasks[place])[f"rate-{place}-0"]["layout"]["yaxis"]["title"]["text"] == axis
    for width in (80, 120):
        shown = printed(report, width)
        assert shown.startswith("On these 3 tasks: ")
        assert "e: the smallest effect of a task" in " ".join(shown.split())
        assert len(shown.splitlines()) <= MOST_LINES


def test_a_study_of_one_task_has_the_rows_that_it_feeds(tmp_path: Path) -> None:
    report, page = written(write_records(tmp_path, replace(STUDY, tasks=STUDY.tasks[1:])))
    names = ["normalization scope", "computational cost", "flexibility", "suitability for RNNs"]
    assert [row.row.name for row in report.table.rows] == names
    assert "generalization" not in page.text
    assert report.done == report.wanted


def test_hostile_names_and_messages_are_text(hostile: Written) -> None:
    report, page = hostile
    for one in pages(report).values():
        assert "img" not in [tag for tag, _ in one.elements]
        assert not [name for _, attributes in one.elements for name in attributes if name.startswith("on")]
        assert [tag for tag, _ in one.elements].count("script") == 3
        assert SCRIPT in next(table for table in one.tables if table[0][0] == "criterion")[0]
    assert IMAGE in page.tables[0][0]
    assert f"failed: {IMAGE}" in page.text
    # The figures are data in a script of their own: nothing in them may end it.
    traces = figures(on_task(report, "digit-rows"))["learning-1"]["data"]
    # Plotly reads some HTML in the names that it shows.
    assert [trace["name"] for trace in traces] == ["none", escape(SCRIPT), escape(IMAGE)]


def test_pages_load_nothing_but_the_file_beside_them(example: Written) -> None:
    report, _ = example
    loading = {"src", "srcset", "data", "action", "background", "poster", "xlink:href"}
    beside = {path.name for path in report.folder.iterdir()}
    for page in pages(report).values():
        assert {value for _, attributes in page.elements for a, value in attributes.items() if a in loading} <= {
            "plotly.min.js"
        }
        assert not {tag for tag, _ in page.elements} & {"link", "iframe", "object", "embed", "base", "form"}
        links = {(a["href"] or "").partition("#")[0] for tag, a in page.elements if tag == "a"} - {""}
        assert {link for link in links if not link.startswith("records/")} <= beside
        assert not re.search(r"@import|@font-face|url\(", page.styles[0])
        assert len(page.source) < 250_000
        assert not re.search(r"https?://|fetch\(|XMLHttpRequest|WebSocket|import\(|sendBeacon", page.source)
        assert re.search(r'http-equiv="Content-Security-Policy" content="default-src \'none\';', page.source)
    assert (report.folder / "plotly.min.js").read_text(encoding="utf-8") == get_plotlyjs()


def test_every_link_and_label_leads_somewhere(example: Written) -> None:
    report, _ = example
    ids = {name: {a["id"] for _, a in page.elements if "id" in a} for name, page in pages(report).items()}
    for own, page in pages(report).items():
        assert len([a for _, a in page.elements if "id" in a]) == len(ids[own])
        for tag, attributes in page.elements:
            assert {*(attributes.get("aria-labelledby") or "").split()} <= ids[own]
            if tag == "a":
                file, _, place = (attributes["href"] or "").partition("#")
                assert (report.folder / (file or own)).is_file()
                assert not place or place in ids[file or own]
            assert tag != "th" or attributes.get("scope") in ("col", "row", "colgroup", "rowgroup")
            if attributes.get("role") == "img":
                assert attributes.get("aria-label") or attributes.get("aria-labelledby")
        assert ("html", {"lang": "en"}) in page.elements
        assert page.source.count("<table") == page.source.count("<caption")
        assert not page.scripts or set(figures(page)) <= ids[own]


def test_csv_has_a_line_for_every_cell(hostile: Written) -> None:
    report, _ = hostile
    with report.paths[1].open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    sections = [("overall" if row.tasks else "", row) for row in report.table.rows]
    sections += [(section.task, row) for section in report.table.sections for row in section.rows]
    cells = [(task, row.row, cell) for task, row in sections for cell in row.cells]
    assert [(line["task"], line["criterion"], line["norm"]) for line in lines] == [
        (task, row.name, cell.norm) for task, row, cell in cells
    ]
    for line, (_, row, cell) in zip(lines, cells, strict=True):
        assert (line["article says"], line["judged as"], line["unit"]) == (cell.claim, cell.judged_as, row.unit)
        assert line["verdict"] == (cell.verdict or "")
        assert line["value"] == ("" if cell.estimate is None else str(cell.estimate.value))
        difference = cell.judgement.difference if cell.judgement else None
        assert line["difference high"] == ("" if difference is None else str(difference.high))
        assert line["comparison with none"] == (cell.judgement.comparison if cell.judgement else "")


def test_json_is_the_table(example: Written) -> None:
    report, _ = example
    told = json.loads(report.paths[0].read_text(encoding="utf-8"))
    assert told == json.loads(report.table.to_json())
    assert [(row["row"]["name"], c["norm"], c["claim"], c["verdict"]) for row in told["rows"] for c in row["cells"]
            if c["claim"]] == opinions(report)  # fmt: skip


def test_same_records_give_the_same_bytes_anywhere_and_again(tmp_path: Path, example: Written) -> None:
    folder = write_records(tmp_path / "elsewhere", change=FAILED_ON_ROWS)
    first = [path.read_bytes() for path in write_report(folder).paths]
    assert first == [path.read_bytes() for path in example[0].paths]
    assert first == [path.read_bytes() for path in write_report(folder).paths]


def ids(page: Page) -> list[str]:
    return [attributes["id"] or "" for tag, attributes in page.elements if tag == "h2" and "id" in attributes]


def test_user_defined_norms_models_and_data_get_the_answer_first(tmp_path: Path, example: Written) -> None:
    assert ids(example[1])[:4] == ["opinions", "advice", "known", "norms"]
    assert "<summary>3 known results" not in example[1].source
    task = replace(DIGITS, name="data:/home/me/cats?side=8", model="my_model:net", about="12 to test")
    for place, changes in enumerate(({"norms": (*STUDY.norms, "my_norm:Scale")}, {"tasks": (task,)})):
        report, page = written(write_records(tmp_path / str(place), replace(STUDY, **changes)))
        assert ids(page)[:4] == ["norms", "advice", "opinions", "known"]
        assert re.search(r"<summary>\d known results not measured in this study</summary>", page.source)
        shown = printed(report, 80)
        # The claims come last, if the screen has room for them.
        assert shown.index("against none") < (shown + "The article's claims").index("The article's claims")


def test_a_folder_is_called_by_its_name_and_only_networks_of_the_study_are_described(tmp_path: Path) -> None:
    task = replace(DIGITS, name="data:/home/me/cats?side=8", model="my_model:net", about="12 to test")
    report, page = written(write_records(tmp_path, replace(STUDY, tasks=(task,))))
    assert "Normalization layers on cats" in on_task(report, task.name).text
    assert "trained small networks on 1 task (cats)" in page.text
    assert "my_model:net: user-defined" in page.text
    assert not any("/home/me" in text for text in (page.text, on_task(report, task.name).text))
    assert "textbook_cnn" not in page.text
    assert "recurrent:" not in page.text


def test_a_test_set_too_small_for_the_smallest_effect_is_named(tmp_path: Path, example: Written) -> None:
    task = replace(DIGITS, about="36 to train, 12 to choose, 12 to test")
    report, page = written(write_records(tmp_path, replace(STUDY, tasks=(task,))))
    warning = "12 test examples: one is 8.3 points of error, more than the smallest effect of 0.5"
    assert all(warning in text for text in (page.text, on_task(report, "digits").text))
    assert warning in " ".join(printed(report, 80).split())
    assert "Small test set" not in example[1].text


def test_folder_without_a_study_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match=r"study\.json"):
        write_report(tmp_path)
    assert not list(tmp_path.iterdir())


def test_report_needs_no_torch(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib; from localnorm.lab.report import write_report; "
        "write_report(pathlib.Path(sys.argv[1])); print(*{'torch', 'numpy'} & set(sys.modules))"
    )
    command = [sys.executable, "-c", code, str(write_records(tmp_path))]
    ran = subprocess.run(command, capture_output=True, text=True)
    assert (ran.stdout.strip(), ran.returncode) == ("numpy", 0), ran.stderr
