"""Several tasks in one table: each judged in its own unit, and all of them in smallest effects."""

from __future__ import annotations

from dataclasses import replace

import pytest

from localnorm.errors import UnknownNameError
from localnorm.lab.analysis.across_tasks import over_tasks
from localnorm.lab.analysis.table import make_table
from localnorm.lab.measures import MEASURES, Row, Sample
from localnorm.lab.records.record import Trial
from localnorm.lab.study.study import Study
from made_records import DIGITS, ROWS, STUDY, Ended, Fate, Run, like, records

# Another task of images, whose error is of another unit and counts in steps of 4.
SCENES = like(DIGITS, "scenes", unit="points", smallest_effect=4.0, corruptions=())
TWO = replace(STUDY, tasks=(DIGITS, SCENES, ROWS), norms=("none", "local", "batch"))


def _table(levels: dict[str, dict[str, float]], study: Study = TWO, spread: float = 0.0):
    """Return the table of a study in which each norm's error on a task is its level, which a seed shifts."""

    def fate(t: Trial) -> Fate:
        own = spread * (t.seed - 2.5) if t.norm != "none" else 0.0
        return Run(test=20.0 + levels.get(t.task, {}).get(t.norm, 0.0) + 10.0 * t.seed + own)

    return make_table(study, records(study, fate))


def test_overall_is_the_mean_over_tasks_in_smallest_effects():
    # 2 points are 4 effects of 0.5; 8 are 2 effects of 4: on average 3 better. Batch: 4 worse and 2 better.
    table = _table({"digits": {"local": -2.0, "batch": 2.0}, "scenes": {"local": -8.0, "batch": -8.0}})
    row = table.row("generalization")
    assert (row.tasks, row.row.unit, row.row.smallest_effect) == (("digits", "scenes"), "smallest effects", 1.0)
    assert "0.5 % error on digits, 4 points on scenes" in row.row.measured_as
    values = {cell.norm: (cell.estimate.value, cell.pairs) for cell in row.cells}
    assert values == {"none": (0.0, 6), "local": (-3.0, 6), "batch": (1.0, 6)}
    assert row.cell("local").details == {"by_task": {"digits": -4.0, "scenes": -2.0}}
    judged = row.cell("local").judgement
    assert (judged.verdict, judged.comparison, judged.difference.value) == ("supported", "better", -3.0)
    assert row.cell("batch").judgement.comparison == "worse"


def test_each_task_is_judged_in_its_own_unit():
    table = _table({"digits": {"local": -2.0}, "scenes": {"local": -2.0}})
    digits, scenes = (table.section(task).find("generalization") for task in ("digits", "scenes"))
    assert (digits.row.unit, digits.row.smallest_effect) == ("% error", 0.5)
    assert (scenes.row.unit, scenes.row.smallest_effect) == ("points", 4.0)
    assert digits.cell("local").judgement.comparison == "better"
    # Two points are half of what matters there.
    assert scenes.cell("local").judgement.comparison == "no different"
    assert scenes.cell("local").judgement.difference.value == -2.0


def test_a_criterion_that_one_task_has_is_that_tasks():
    table = _table({"digits": {"local": 1.0}})
    for name, task in (("robustness to noise", "digits"), ("suitability for RNNs", "digit-rows")):
        assert table.row(name) is table.section(task).find(name)
    alone = make_table(STUDY, records(STUDY))
    of_tasks = [row for section in alone.sections for row in section.rows]
    assert [row.row.name for row in of_tasks] == [
        "hyperparameter sensitivity",
        "generalization",
        "feature learning",
        "robustness to noise",
        "batch-size dependence",
        "suitability for RNNs",
    ]
    assert all(any(row is overall for overall in alone.rows) for row in of_tasks)
    with pytest.raises(UnknownNameError, match="one of digits, digit-rows, got 'faces'"):
        alone.section("faces")


def test_the_rows_are_those_that_the_tasks_feed():
    style, blocks = (like(ROWS, kind, kind=kind) for kind in ("style", "transformer"))
    study = replace(STUDY, tasks=(style, blocks), norms=("none", "layer", "instance"))
    table = _table({"style": {"instance": -9.0}, "transformer": {"layer": 9.0}}, study)
    names = [row.row.name for row in table.rows]
    assert names[3:] == ["suitability for transformers", "suitability for style transfer"]
    assert (names[0], names[1], names[2]) == ("normalization scope", "computational cost", "flexibility")
    instance = table.row("suitability for style transfer").cell("instance")
    layer = table.row("suitability for transformers").cell("layer")
    assert (instance.claim, instance.verdict, layer.claim, layer.verdict) == (
        "yes",
        "supported",
        "yes",
        "not supported",
    )
    assert len(MEASURES) == 11


def test_a_norm_that_has_no_result_on_one_task_has_none_overall():
    def fate(t: Trial) -> Fate:
        return Ended("failed", "no room") if (t.task, t.norm) == ("scenes", "local") else Run()

    cell = make_table(TWO, records(TWO, fate)).row("generalization").cell("local")
    assert (cell.measured, cell.estimate, cell.verdict) == ("scenes: failed: no room", None, "undecided")
    everywhere = make_table(
        TWO, records(TWO, lambda t: Ended("failed", "no room") if t.norm == "local" else Run())
    )
    assert everywhere.row("generalization").cell("local").verdict == "not supported"


def test_the_tasks_count_alike_and_a_placebo_among_them_is_undecided_or_no_different():
    # At most 0.5 effects to and fro on the one, 0.1 on the other.
    table = _table({}, spread=0.1)
    cell = table.row("generalization").cell("local")
    assert cell.estimate.value == pytest.approx(0.0, abs=1e-12)  # sums near 60 are rounded
    assert (cell.judgement.comparison, cell.verdict) == ("no different", "not supported")
    wide = _table({}, spread=20.0).row("generalization").cell("local")
    assert (wide.judgement.comparison, wide.verdict) == ("undecided", "undecided")


def test_differences_in_effects_need_none_with_the_same_seed():
    row = Row("generalization", "", "%", smallest_effect=2.0)
    samples = {"none": Sample((4.0, None, 8.0)), "own": Sample((2.0, 5.0, None)), "gone": Sample(missing="no")}
    found = over_tasks([row], ["digits"], [samples])
    assert found["own"].values == (-1.0, None, None)
    assert found["none"].values == (0.0, None, 0.0)
    assert found["gone"].missing == "digits: no"
    lone = over_tasks([row], ["digits"], [{"none": Sample((None, 1.0)), "own": Sample((1.0, None))}])
    assert lone["own"].missing == "no seed shared with none"
    failed = {"none": Sample(missing="failed: x"), "own": Sample((1.0,))}
    assert over_tasks([row], ["digits"], [failed])["own"].missing == "digits: none: failed: x"


def test_the_step_of_a_mean_over_tasks_is_that_of_its_rounding_error():
    row = Row("generalization", "", "%", smallest_effect=0.5)
    samples = {norm: Sample((1.0, 2.0), resolution=0.2, seeds_done=2) for norm in ("none", "own")}
    found = over_tasks([row, row], ["a", "b"], [samples, samples])["own"]
    assert found.resolution == pytest.approx(0.4 / 2**0.5)
    assert found.seeds_done == 2
