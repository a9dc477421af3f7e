"""Several tasks in one table: each judged in its own unit, and all of them in smallest effects."""

from __future__ import annotations

from dataclasses import replace
from statistics import NormalDist

import numpy as np
import pytest

from localnorm.errors import UnknownNameError
from localnorm.lab.analysis.across_tasks import in_effects
from localnorm.lab.analysis.statistics import (
    MOST_PAIRS,
    RESAMPLES,
    estimate,
    estimate_over,
    interquartile_mean,
    p_values,
    p_values_over,
    pairs_to_decide,
)
from localnorm.lab.analysis.table import make_table
from localnorm.lab.measures import MEASURES, Row, Sample
from localnorm.lab.records.record import Trial
from localnorm.lab.study.study import Study
from made_records import DIGITS, ROWS, STUDY, Ended, Fate, Run, like, records

# Another task of images, whose error is of another unit and counts in steps of 4.
SCENES = like(DIGITS, "scenes", unit="points", smallest_effect=4.0, corruptions=())
TWO = Study((DIGITS, SCENES, ROWS), norms=("none", "local", "batch"))


def _table(levels: dict[str, dict[str, float]], study: Study = TWO, spread: float = 0.0):
    """Return the table of a study in which each norm's error on a task is its level, which a seed shifts."""

    def fate(t: Trial) -> Fate:
        own = spread * (t.seed - 2) if t.norm != "none" else 0.0
        return Run(test=20.0 + levels.get(t.task, {}).get(t.norm, 0.0) + 10.0 * t.seed + own)

    return make_table(study, records(study, fate))


def test_overall_is_the_mean_over_tasks_in_smallest_effects():
    # 2 points are 4 effects of 0.5; 8 are 2 effects of 4: on average 3 better. Batch: 4 worse and 2 better.
    table = _table({"digits": {"local": -2.0, "batch": 2.0}, "scenes": {"local": -8.0, "batch": -8.0}})
    row = table.row("generalization")
    assert (row.tasks, row.row.unit, row.row.smallest_effect) == (("digits", "scenes"), "smallest effects", 1.0)
    assert "0.5 % error on digits, 4 points on scenes" in row.row.measured_as
    values = {cell.norm: (cell.estimate.value, cell.pairs) for cell in row.cells}
    assert values == {"none": (0.0, 10), "local": (-3.0, 10), "batch": (1.0, 10)}
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
    study = Study((style, blocks), norms=("none", "layer", "instance"))
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
    # At most 0.8 effects to and fro on the one, 0.1 on the other.
    table = _table({}, spread=0.2)
    cell = table.row("generalization").cell("local")
    assert cell.estimate.value == pytest.approx(0.0, abs=1e-12)  # sums near 60 are rounded
    assert (cell.judgement.comparison, cell.verdict) == ("no different", "not supported")
    wide = _table({}, spread=20.0).row("generalization").cell("local")
    assert (wide.judgement.comparison, wide.verdict) == ("undecided", "undecided")


def test_differences_in_effects_need_none_with_the_same_seed():
    row = Row("generalization", "", "%", smallest_effect=2.0)
    samples = {"none": Sample((4.0, None, 8.0)), "own": Sample((2.0, 5.0, None)), "gone": Sample(missing="no")}
    found = in_effects(row, samples)
    assert found["own"].values == (-1.0, None, None)
    assert found["none"].values == (0.0, None, 0.0)
    assert found["gone"].missing == "no"
    lone = in_effects(row, {"none": Sample((None, 1.0)), "own": Sample((1.0, None))})
    assert lone["own"].missing == "no seed shared with none"
    assert in_effects(row, {"none": Sample(missing="failed: x"), "own": Sample((1.0,))})["own"].missing == (
        "none: failed: x"
    )


ONE, OTHER = [0.2, 1.4, 0.9, 2.2, 1.1], [5.0, 7.0, 4.0, 9.0]


def test_one_stratum_is_the_plain_bootstrap():
    assert estimate_over([ONE]) == estimate(ONE)
    assert p_values_over([ONE], 0.8) == p_values(ONE, 0.8)


def test_strata_are_resampled_each_within_itself():
    found = estimate_over([ONE, OTHER])
    assert found.value == (interquartile_mean(ONE) + interquartile_mean(OTHER)) / 2
    rng = np.random.default_rng(9)
    means = [
        np.mean([interquartile_mean(rng.choice(values, len(values))) for values in (ONE, OTHER)])
        for _ in range(4000)
    ]
    # Each bound is a 2.5 % quantile of draws: five sigma of its share in 4,000 and in RESAMPLES draws.
    room = 5 * np.sqrt(0.025 * 0.975 * (1 / 4000 + 1 / RESAMPLES))
    for share in (np.mean(np.array(means) < found.low), np.mean(np.array(means) > found.high)):
        assert share == pytest.approx(0.025, abs=room + 0.005)  # ties at the bound: few distinct resamples
    # What all share moves the mean; what only one has moves it half as far.
    assert estimate_over([ONE, [value + 1 for value in OTHER]]).value == pytest.approx(
        found.value + 0.5, rel=1e-12
    )


def test_seeds_that_would_decide():
    normal = NormalDist()
    z = normal.inv_cdf(0.975) + normal.inv_cdf(0.8)
    # Mean 1 and standard deviation 1, half an effect away: (2.8 / 0.5) ** 2 = 31.4.
    assert pairs_to_decide([[0.0, 1.0, 2.0]], 0.5, 1) == int((z / 0.5) ** 2) + 1 == 32
    # Of two tasks alike the mean has half the variance.
    assert pairs_to_decide([[0.0, 1.0, 2.0], [0.0, 1.0, 2.0]], 0.5, 1) == int((z / 0.5) ** 2 / 2) + 1 == 16
    # Among six norms each has a sixth of the level.
    six = normal.inv_cdf(1 - 0.025 / 6) + normal.inv_cdf(0.8)
    assert pairs_to_decide([[0.0, 1.0, 2.0]], 0.5, 6) == int((six / 0.5) ** 2) + 1
    assert pairs_to_decide([[0.0, 1.0, 2.0]], 1.0, 1) == MOST_PAIRS + 1
    assert pairs_to_decide([[0.0, 1.0, 2.0]], 0.9, 1) == MOST_PAIRS + 1
    assert pairs_to_decide([[5.0, 5.0, 5.0]], 0.0, 1) == 4, "more than there are"
    assert pairs_to_decide([[1.0]], 0.0, 1) is None
    assert pairs_to_decide([], 0.0, 1) is None


def test_only_what_is_undecided_has_seeds_that_would_decide():
    decided = _table({"digits": {"local": -9.0}}, STUDY)
    local = decided.row("generalization").cell("local").judgement
    assert (local.verdict, local.seeds) == ("supported", None)
    # The error of local is 1.5 lower by seed, plus -1 to 1: the effect of 0.5 is one away.
    open_one = _table({"digits": {"local": -1.5}}, STUDY, spread=0.8).row("generalization").cell("local").judgement
    assert open_one.verdict == "undecided"
    differences = [[1.5 - 0.8 * (seed - 2) for seed in STUDY.seeds]]
    assert open_one.seeds == pairs_to_decide(differences, 0.5, 4)
    cost = decided.row("computational cost").cell("local").judgement
    assert cost.seeds is None, "rounds of timing are no seeds"
    two = replace(STUDY, seeds=(0, 1))
    few = _table({"digits": {"local": -9.0}}, two).row("generalization").cell("local").judgement
    assert (few.verdict, few.seeds) == ("undecided", 3)
