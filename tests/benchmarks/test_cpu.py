"""The CPU benchmark: it runs, ignores inaccurate results, and its tables match the results; no test of speed."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from benchmarks.speed.cpu.__main__ import main
from benchmarks.speed.cpu.accuracy import worst_error
from benchmarks.speed.cpu.baselines import ALL, EAGER, OUR_APIS, OURS_FRESH
from benchmarks.speed.cpu.baselines import torch as torch_baselines
from benchmarks.speed.cpu.case import BOTH, Case, Ready, case_data
from benchmarks.speed.cpu.catalog import ONE_THREAD, PARTS, CpuExtent
from benchmarks.speed.cpu.comparison import Comparison
from benchmarks.speed.cpu.markdown import filled, table
from benchmarks.speed.cpu.plots import charts
from benchmarks.speed.cpu.results import Results, Writer, new_file, newest, ratio, read
from benchmarks.speed.cpu.tables import ROOT, faster_and_slower, pages
from benchmarks.speed.cpu.targets import TARGETS, target_tables
from benchmarks.speed.rounds import Times

import benchmark_results as made
from localnorm import reference

PROCESSES = ("start", ONE_THREAD)
TINY = Case((2, 8, 6, 5))


@pytest.fixture
def results() -> Results:
    return Results(made.FIRST, made.records())


def test_a_smoke_run_measures_every_part_in_this_process(tmp_path: Path):
    path = tmp_path / "results.jsonl"
    main(["--quick", "--results", str(path), "--part", *(part for part in PARTS if part not in PROCESSES)])
    found = read(path)
    assert {record["part"] for record in found.records} == set(PARTS) - set(PROCESSES)
    for part in ("forward", "backward"):
        assert {"localnorm", "torch eager", "copy", "relu"} <= {
            record["implementation"] for record in found.all(part=part)
        }
    assert all(len(record["milliseconds"]) == 2 for record in found.records if "milliseconds" in record)
    assert all(record["accurate"] for record in found.records if "accurate" in record)
    assert str(tmp_path) not in path.read_text(encoding="utf-8")


@pytest.mark.slow
def test_a_smoke_run_measures_what_needs_processes_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(ROOT)
    path = tmp_path / "results.jsonl"
    main(["--quick", "--results", str(path), "--part", *PROCESSES])
    found = read(path)
    assert {record["part"] for record in found.records} == set(PROCESSES)
    assert {record["threads"] for record in found.all(part=ONE_THREAD)} == {1}


def test_jobs_run_in_turn_and_each_round_is_kept():
    order: list[str] = []
    times = Times({name: lambda name=name: order.append(name) for name in "ab"}, rounds=3)
    assert [list(seconds) for seconds in times.rounds] == [["a", "b"]] * 3
    turns = [name for i, name in enumerate(order) if not i or order[i - 1] != name]
    assert "".join(turns) == "ab" * 5


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("implementation", OUR_APIS, ids=lambda implementation: implementation.name)
def test_our_apis_are_prepared_as_they_are_meant(implementation, layout: str):
    case = replace(TINY, layout=layout, dtype="float16", size=3, beta=0.6)
    numbers = case_data(case)
    ready = implementation.prepare(case, numbers)
    ready.run()
    wanted = reference.forward(numbers.x.double().numpy(), case.spec)
    # float16 rounds by 2^-11, and the kernel errs by less in float32.
    np.testing.assert_allclose(ready.result(), wanted, rtol=2**-10)


@pytest.mark.parametrize("measure", ["forward", BOTH])
def test_an_error_is_in_epsilons(measure: str):
    case = replace(TINY, measure=measure)
    x, grad = (tensor.double().numpy() for tensor in case_data(case))
    right = reference.forward(x, case.spec)
    if measure == BOTH:
        right = reference.gradients(x, grad, case.spec).x
    assert worst_error(case, case_data(case), right) == 0
    wrong = right * (1 + 100 * np.finfo(np.float32).eps)
    # A gradient's error is relative to the magnitudes of its terms, whose difference it is.
    assert 50 < worst_error(case, case_data(case), wrong) < 100.01


def _comparison(monkeypatch: pytest.MonkeyPatch, factor: float) -> list[dict]:
    right = torch_baselines.eager(TINY, case_data(TINY))
    monkeypatch.setattr(torch_baselines, "eager", lambda *_: Ready(right.run, lambda: right.result() * factor))
    return list(Comparison("part", "name").with_entries([TINY], [EAGER]).run(rounds=1))


def test_an_inaccurate_rival_is_timed_and_counts_for_nothing(monkeypatch: pytest.MonkeyPatch):
    found = _comparison(monkeypatch, 1.001)
    assert found[-1]["implementation"] == EAGER.name
    assert not found[-1]["accurate"]
    assert found[-1]["milliseconds"]
    assert Results(made.FIRST, found).one(implementation=EAGER.name) is None


def test_a_nan_is_inaccurate(monkeypatch: pytest.MonkeyPatch):
    assert not _comparison(monkeypatch, np.nan)[-1]["accurate"]


def test_localnorm_has_to_be_exact(monkeypatch: pytest.MonkeyPatch):
    wrong = replace(OURS_FRESH, function="torch.eager")
    monkeypatch.setattr(torch_baselines, "eager", torch_baselines.relu)
    with pytest.raises(SystemExit, match="not exact"):
        list(Comparison("part", "name").with_entries([TINY], [wrong]).run(rounds=1))


def test_what_cannot_run_is_left_out_with_its_reason(monkeypatch: pytest.MonkeyPatch):
    def refuse(*_: object) -> Ready:
        raise NotImplementedError

    monkeypatch.setattr(torch_baselines, "eager", refuse)
    found = list(Comparison("part", "name").with_entries([TINY], [EAGER]).run(rounds=1))
    assert found[-1]["left_out"] == "NotImplementedError"


def test_names_are_distinct_and_the_targets_are_about_what_is_measured():
    assert len({implementation.name for implementation in ALL}) == len(ALL)
    assert {"x".join(map(str, shape)) for shape in CpuExtent(1, 1).main} == set(made.MAIN)
    assert "x".join(map(str, CpuExtent(1, 1).others[-1])) == made.SMALLEST


def test_a_file_is_named_after_machine_and_day_and_never_written_over(tmp_path: Path):
    first = new_file(made.FIRST, tmp_path)
    assert first.name == "cpu-abacus-tm-2-2001-02-03.jsonl"
    made.write(first, [])
    second = new_file(made.FIRST, tmp_path)
    assert second.name == "cpu-abacus-tm-2-2001-02-03-2.jsonl"
    made.write(second, [])
    assert newest(tmp_path) == second


def test_another_commit_is_refused(tmp_path: Path):
    path = made.write(tmp_path / "results.jsonl", [])
    with pytest.raises(SystemExit, match="commit"):
        Writer(path, {**made.FIRST, "commit": "another"})
    Writer(path, made.FIRST).append(made.record("part", "comparison", "implementation", 1.0))
    assert [record["implementation"] for record in read(path).records] == ["implementation"]


def test_a_line_that_was_cut_off_does_not_count(tmp_path: Path):
    path = made.write(tmp_path / "results.jsonl", made.records())
    path.write_bytes(path.read_bytes()[:-5])
    assert read(path).records == made.records()[:-1]


def test_a_comparison_that_is_run_again_counts_alone():
    old = [made.record("part", "comparison", implementation, 1.0, started="before") for implementation in "ab"]
    again = made.record("part", "comparison", "a", 2.0)
    other = made.record("part", "another", "a", 3.0, started="before")
    assert Results(made.FIRST, [*old, other, again]).records == [other, again]


def test_a_ratio_is_of_one_round():
    one, two = (
        made.record("part", "comparison", "a", 0.0, milliseconds=ms) for ms in ([2.0, 9.0, 4.0], [1.0, 3.0, 1.0])
    )
    assert ratio(one, two) == 3
    assert ratio(one, None) is None
    with pytest.raises(ValueError, match="share"):
        ratio(one, {**two, "comparison": "another"})


def test_targets_are_met_or_missed(results: Results):
    text = target_tables(results)
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line]
    found = {}
    for row in rows:
        found.setdefault(row[0], row[1:])
    assert found["forward in place (torch), copies"] == ["at most 1.5 / 2", *["1.50"] * 4, "met"]
    assert found["forward, fresh output / torch.relu"][1:] == [*["**1.00**"] * 4, "missed"]
    assert found["forward, times as fast as torch eager"][1:] == [*["30.00"] * 4, "met"]
    assert found["as the fastest torch.compile"][1:] == [*["**2.50**"] * 4, "missed"]
    assert found["as OpenVINO, both into existing memory"][1:] == [*["**1.50**"] * 4, "missed"]
    assert found["as onnxruntime, both into existing memory"][1:] == [*["**20.00**"] * 4, "missed"]
    assert found["as TensorFlow, channels last"][1:] == [*["6.00"] * 4, "met"]
    assert found["slower layout / faster layout"][1:] == [*["**1.25**"] * 4, "missed"]
    assert found["window 65 / window 5"][1:] == [*["**1.40**"] * 4, "missed"]
    assert found["bfloat16 / float32"][1:] == [*["**0.90**"] * 4, "missed"]
    assert found["a call on 4 numbers / torch eager"][1:] == ["**0.25**", "missed"]
    assert found["AlexNet, inference: speed / speed without LRN"][1:] == ["**0.96**", "missed"]
    assert found["GoogLeNet, training: speed / speed without LRN"][1:] == ["", "not measured"]
    assert found["chain of convolution, LRN, convolution / sum of their times"][1:] == ["1.05", "met"]
    assert found["(AlexNet, inference, with torch's LRN)"][1] == "0.50"


def test_nothing_measured_is_nothing_met():
    text = target_tables(Results(made.FIRST, []))
    assert text.count("not measured") >= len(TARGETS)
    assert " met " not in text


def test_pages_hold_what_the_results_say(results: Results):
    found = {path.name: text for path, text in pages(results).items()}
    assert {"README.md", "speed.md", "speed-size.svg", "speed-window.svg", "speed-copies.svg"} == set(found)
    for page in ("README.md", "speed.md"):
        assert "Abacus (TM) 2, 2 threads; python 3.0, torch 9.0" in found[page].replace("\n", " ")
    assert faster_and_slower(results) in found["speed.md"]
    assert "![Forward pass by tensor size, window 5](speed-size.svg)" in found["speed.md"]
    assert "Not measured" not in found["README.md"]


def test_the_pages_are_those_of_the_newest_results():
    path = newest()
    if path is None:
        pytest.skip("nothing was measured yet")
    for page, text in pages(read(path)).items():
        assert page.read_text(encoding="utf-8") == text, f"{page.name}: run python -m benchmarks.speed.cpu.tables"


def test_charts_are_svg_and_the_same_in_every_run(results: Results):
    drawn = charts(results)
    assert drawn == charts(results)
    for title, svg in drawn.values():
        root = ET.fromstring(svg)  # noqa: S314  written above
        assert title in "".join(root.itertext())
        assert "nan" not in svg.lower()


def test_the_page_lists_every_case_in_which_localnorm_is_slower(results: Results):
    text = faster_and_slower(results)
    # Made up: a baseline takes 2.5 of localnorm's time channels first, and 6 channels last; backward 7.
    assert text.startswith(
        "In 16 of 16 comparisons localnorm is at least as fast as the fastest accurate baseline"
    )
    assert "slower" not in text
    quick = made.record(
        "forward", f"{made.MAIN[0]}, beta 0.75", "JAX, the formula with slices", 1.0, shape=made.MAIN[0]
    )
    inaccurate = {**quick, "implementation": "OpenCV", "accurate": False}
    text = faster_and_slower(Results(made.FIRST, [*made.records(), quick, inaccurate]))
    assert text.startswith("In 15 of 16 comparisons")
    case = f"{made.MAIN[0]}, forward, NCHW, float32, window 5, beta 0.75"
    assert text.splitlines()[-1] == f"- {case}: JAX, the formula with slices takes 0.50 of the time."


def test_a_page_keeps_all_but_what_is_written():
    page = "a\n<!-- written by benchmarks.speed.cpu.tables: x -->old\n<!-- end of x -->\nb"
    once = filled(page, {"x": r"new \1", "y": "nowhere"})
    assert once == "a\n<!-- written by benchmarks.speed.cpu.tables: x -->\n\nnew \\1\n\n<!-- end of x -->\nb"
    assert filled(once, {"x": r"new \1"}) == once


def test_a_table_is_as_wide_as_its_cells():
    assert table(["", "ms"], [["localnorm", "1"]]).splitlines() == [
        "|           |   ms |",
        "| --------- | ---: |",
        "| localnorm |    1 |",
    ]


def test_every_implementation_has_its_function():
    for implementation in ALL:
        module, function = implementation.function.split(".")
        source = (Path(torch_baselines.__file__).parent / f"{module}.py").read_text(encoding="utf-8")
        assert f"def {function}(" in source, implementation.name
