"""Every number leads to the records behind it."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import pytest

from localnorm.lab.analysis.table import Cell
from localnorm.lab.measures.judged import judged_runs
from localnorm.lab.measures.select import RecordSet, keys
from localnorm.lab.records.record import Record, Trial, key
from localnorm.lab.report import Report
from localnorm.lab.report.links import RecordLinks, page_names
from report_readers import Page, on_task, opinions, written
from report_records import DIGITS, ROWS, STUDY, ended, write_records

FAILED = ended("instance", "failed", "needs positions", "digit-rows")


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    return written(write_records(tmp_path_factory.mktemp("record_keys"), change=FAILED))[0]


def behind(report: Report, cell: Cell) -> list[Record]:
    by_key = {key(record.job): record for record in report.records}
    return [by_key[name] for name in cell.record_keys]


def jobs(report: Report, criterion: str, norm: str) -> list[Trial]:
    found = [record.job for record in behind(report, report.table.row(criterion).cell(norm))]
    assert all(isinstance(job, Trial) for job in found)
    return [job for job in found if isinstance(job, Trial)]


@pytest.mark.parametrize("norm", ["none", "batch"])
def test_evidence_is_the_records_that_a_number_was_read_from(report: Report, norm: str) -> None:
    runs = [record for (own, _), record in judged_runs(STUDY, DIGITS, report.records).items() if own == norm]
    for criterion in ("generalization", "robustness to noise"):
        assert report.table.row(criterion).cell(norm).record_keys == keys(runs)
    assert {(t.task, t.batch_size, t.norm) for t in jobs(report, "batch-size dependence", norm)} == {
        ("digits", size, norm) for size in DIGITS.schedule.batch_sizes
    }
    # Of each pilot seed the grid, the default of the sampled settings and the sample; of each judged seed the
    # default and the tuned setting.
    trials = jobs(report, "hyperparameter sensitivity", norm)
    assert Counter(trial.judged for trial in trials) == {False: 2 * 3, True: 6 * 2}
    assert {t.task for t in jobs(report, "suitability for RNNs", norm)} == {ROWS.name}
    for criterion, probe in (
        ("computational cost", "cost"),
        ("flexibility",) * 2,
        ("normalization scope", "scope"),
    ):
        (record,) = behind(report, report.table.row(criterion).cell(norm))
        assert not isinstance(record.job, Trial)
        assert record.job.name == probe
        assert norm in record.job.norms


def test_a_cell_without_a_result_has_no_evidence(report: Report) -> None:
    assert report.table.row("suitability for RNNs").cell("instance").record_keys == ()
    assert json.loads(report.table.to_json())["rows"][0]["cells"][0]["record_keys"]


def lists(page: Page) -> dict[str, set[str]]:
    """Return the files that each list of records on a page links to."""
    parts = re.split(r'<li id="(records-\d+)">', page.source)[1:]
    return {
        name: set(re.findall(r'href="records/(\w+)\.json"', text.partition("</li>")[0]))
        for name, text in zip(parts[::2], parts[1::2], strict=True)
    }


def test_numbers_on_a_page_link_to_their_records(report: Report) -> None:
    page = on_task(report, "digits")
    found = lists(page)
    links = re.findall(r'<a class="number" href="#(records-\d+)">([^<]+)</a>', page.source)
    assert {place for place, _ in links} == set(found)
    for row in report.table.section("digits").rows:
        for cell in row.cells:
            if cell.estimate and row.row.name != "batch-size dependence":
                assert set(cell.record_keys) in found.values()
    # The numbers of a plot link by the name of the norm.
    assert {"none", "local", "rms"} <= {text for _, text in links}
    # Lists that are alike are one list: generalization and robustness rest on the same records.
    assert len({frozenset(files) for files in found.values()}) == len(found)


def test_every_judged_number_of_the_opinions_is_a_link(report: Report) -> None:
    page = Page((report.folder / "report.html").read_text(encoding="utf-8"))
    table = page.source[page.source.index('class="full opinions"') :].partition("</table>")[0]
    measured = re.findall(r'<td><span class="nowrap"><a class="number" href="#records-\d+">', table)
    exact = re.findall(r'<td><a class="number" href="#records-\d+">', table)
    assert len(measured) + len(exact) == len(re.findall(r'class="chip', table)) == len(opinions(report))


def test_numbers_over_several_tasks_lead_to_the_tasks_pages() -> None:
    trials = [Trial(task, "m", "batch", seed, 0.01, 32, 1) for task in ("a", "b") for seed in (0, 1)]
    links = RecordLinks(RecordSet(Record(trial, "ok") for trial in trials).by_key, page_names(["a", "b"]))
    both = tuple(key(trial) for trial in trials)
    assert links.href(both) == "#records-1"
    assert links.href(both[:2]) == "#records-2"
    assert links.href(both[::-1]) == "#records-1"
    assert links.href(("unknown",)) == links.href(()) == ""
    (_, over), (_, (one,)) = links.lists
    assert [(own.label, own.files) for own in over] == [
        ("a: 2 records", (("listed on its page", "report-a.html#records"),)),
        ("b: 2 records", (("listed on its page", "report-b.html#records"),)),
    ]
    assert one.label == "a, batch: learning rate 0.01, batches of 32, epochs 1"
    assert one.files == (("seed 0", f"records/{both[0]}.json"), ("seed 1", f"records/{both[1]}.json"))


def test_a_number_that_rests_on_very_many_records_leads_to_their_names() -> None:
    trials = [Trial("a", "m", norm, seed, 0.01, 32, 1) for norm in ("batch", "none") for seed in range(300)]
    links = RecordLinks(RecordSet(Record(trial, "ok") for trial in trials).by_key, page_names(["a"]))
    links.href(tuple(map(key, trials)))
    ((_, behind),) = links.lists
    assert [(own.label, own.files) for own in behind] == [
        (f"a, {norm}: 300 records", (("named beside the number", "table.json"),)) for norm in ("batch", "none")
    ]


@pytest.mark.parametrize(
    "names", [["a", "A", "a-"], ["data:/x?side=8", "data:/x/side/8"], ["", "..", "/"], ["é" * 300]]
)
def test_page_names_are_safe_and_differ(names: list[str]) -> None:
    found = page_names(names)
    assert len(set(found.values())) == len(names)
    assert all(re.fullmatch(r"report-[a-z0-9-]+\.html", name) and len(name) < 100 for name in found.values())


def test_pages_are_found_again(report: Report) -> None:
    assert all(path.is_file() for path in report.paths)
    assert {Path(path).name for path in report.paths} >= {"table.md", "table.tex", "report-digit-rows.html"}
