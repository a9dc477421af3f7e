"""Which norm to use: what the sentences say follows from the verdicts, and is never more certain."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from localnorm.lab.analysis.table import Table, make_table
from localnorm.lab.records.record import Trial
from localnorm.lab.report.advice import UNDECIDED, Advice, advise, advise_on
from localnorm.lab.study.study import Study
from made_records import DIGITS, ROWS, STUDY, Ended, Fate, Run, like, records

NORMS = ("none", "local", "batch", "layer")
ONE = replace(STUDY, tasks=(DIGITS,), norms=NORMS)


def table(errors: Mapping[str, Sequence[float]], study: Study = ONE) -> Table:
    """A study in which every trial of a norm and seed has that error; of a norm that is not named none ended."""

    def fate(trial: Trial) -> Fate:
        own = errors.get(trial.norm)
        return Run(own[trial.seed], own[trial.seed], corrupted=own[trial.seed]) if own else Ended()

    return make_table(study, records(study, fate))


def about(found: Table, topic: str) -> Advice:
    return next(advice for advice in advise(found) if advice.topic == topic)


def around(middle: float, spread: float = 0.1) -> list[float]:
    return [middle + spread * (seed - 2) for seed in range(5)]


FAR = [4.0, 9.0, 3.0, 11.0, 6.0]
"""Below none by 5.8, 0.9, 7, -0.9, 4.2: variance 11.025, middle 3.63, so (3.083 * 3.32 / 3.13)^2 = 10.7 seeds."""


@pytest.mark.parametrize(
    ("errors", "use", "because"),
    [
        (
            {"none": around(10), "local": around(10), "batch": around(5), "layer": around(8)},
            "Use batch.",
            ["batch and layer lower the test error of none, by at least 0.5 points of error.",
             "batch is ahead of every other norm by at least 0.5 points of error.",
             "local is no different from none."],
        ),
        (
            {"none": around(10), "local": around(13), "batch": around(5), "layer": around(5.1)},
            "Use batch or layer.",
            ["batch and layer lower the test error of none, by at least 0.5 points of error.",
             "batch is ahead of local by at least 0.5 points of error.",
             "batch is not ahead of layer by that much.",
             "local is worse than none."],
        ),
        (
            {"none": around(10), "local": around(10.1), "batch": around(12), "layer": around(10)},
            "No norm lowers the test error of none by at least 0.5 points of error: choose by something else.",
            ["batch is worse than none.", "local and layer are no different from none."],
        ),
        (
            {"none": around(10), "local": FAR, "batch": around(10)},
            UNDECIDED,
            ["No norm is shown to be better than none; local looks best of those that are open.",
             "batch is no different from none.",
             "Undecided against none: local (11 seeds would decide)."],
        ),
        (
            {"none": around(10), "local": FAR, "batch": FAR},
            UNDECIDED,
            ["No norm is shown to be better than none; local and batch look best of those that are open.",
             "Undecided against none: local (11 seeds would decide) and batch (11)."],
        ),
        ({"local": around(5)}, UNDECIDED, [f"none, with which all are compared: diverged: {Ended().message}."]),
        ({"none": around(5)}, "No result.", ["diverged: " + Ended().message]),
    ],
)  # fmt: skip
def test_advice_on_a_task_says_what_the_verdicts_say(
    errors: Mapping[str, Sequence[float]], use: str, because: list[str]
) -> None:
    found = about(table(errors), "On digits")
    assert (found.use, list(found.because)) == (use, because)


def test_grounds_are_the_differences_of_the_table() -> None:
    found = table({"none": around(10), "local": around(10), "batch": around(5), "layer": around(8)})
    grounds = about(found, "On digits").grounds
    assert [ground.told for ground in grounds] == [
        "generalization on digits, batch \N{MINUS SIGN} none",
        "generalization on digits, layer \N{MINUS SIGN} none",
    ]
    for ground, norm in zip(grounds, ("batch", "layer"), strict=True):
        row = found.section("digits").find("generalization")
        assert row is not None
        cell = row.cell(norm)
        assert cell.judgement is not None
        assert ground.difference == cell.judgement.difference
        assert (ground.pairs, ground.unit, ground.more.evidence) == (5, "points of error", cell.evidence)
        assert len(cell.evidence) == 5


def test_over_all_names_who_is_better_somewhere_and_worse_nowhere() -> None:
    study = Study((DIGITS, ROWS, like(DIGITS, "faces")), NORMS)
    errors = {"none": around(10), "local": around(14), "batch": around(5), "layer": around(10)}
    found = table(errors, study)
    overall, means, *rest = advise(found)
    assert overall.use.endswith("of the tasks: batch.")
    # Generalization and robustness of two tasks of images, and the recurrent one.
    assert re.match(r"batch: better in 5 \(.*generalization on digits.*\)", overall.because[0])
    assert any(
        re.match(r"local: worse in 5 \(.*suitability for RNNs on digit-rows", why) for why in overall.because
    )
    assert {ground.more.norm for ground in overall.grounds} == {"batch"}
    assert means.topic == "Generalization, over digits and faces"
    assert means.use == "Use batch."
    assert {"On digits", "On digit-rows", "On faces", "Cost", "Noisy data", "Little time to tune"} <= {
        advice.topic for advice in rest
    }
    assert [advice.topic for advice in advise_on(found.section("digit-rows"))] == ["On digit-rows"]


def test_no_norm_is_advised_that_is_not_shown_to_be_better() -> None:
    rng = random.Random(1)
    advised = 0
    for _ in range(12):
        spread = rng.choice([0.2, 1.0, 4.0])
        middles = {norm: rng.uniform(7, 12) for norm in NORMS}
        errors = {norm: [rng.gauss(middle, spread) for _ in range(5)] for norm, middle in middles.items()}
        found = table(errors)
        row = found.section("digits").find("generalization")
        assert row is not None
        named = re.match(r"Use (.*)\.$", about(found, "On digits").use)
        norms = re.split(r", | or ", named[1]) if named else []
        better = {cell.norm for cell in row.cells if cell.judgement and cell.judgement.standing == "better"}
        assert {*norms} <= better
        assert bool(norms) == bool(better)
        advised += len(norms)
    assert advised


@pytest.mark.parametrize("seeds", [(0,), (0, 1)])
def test_too_few_seeds_advise_nothing_that_is_trained(seeds: tuple[int, ...]) -> None:
    study = replace(ONE, seeds=seeds)
    found = table({"none": around(10), "local": around(1), "batch": around(5), "layer": around(8)}, study)
    trained = [advice for advice in advise(found) if advice.topic not in ("Cost", "Unusual inputs")]
    assert {advice.use for advice in trained} == {UNDECIDED}


@pytest.mark.parametrize(("norms", "made"), [(("none",), True), (NORMS, False)])
def test_a_study_of_none_alone_or_without_records_has_advice_of_no_kind(
    norms: tuple[str, ...], made: bool
) -> None:
    study = replace(ONE, norms=norms)
    found = make_table(study, records(study) if made else [])
    assert not [advice for advice in advise(found) if advice.use.startswith(("Use", "Cheapest")) or advice.grounds]


def test_cost_names_the_cheapest_norm_and_never_none() -> None:
    cost = {"none": [0.1] * 9, "local": [9.0] * 9, "batch": [5.0] * 9, "layer": [5.2] * 9}
    found = make_table(ONE, records(ONE, probes={"cost": cost}))
    advice = about(found, "Cost")
    assert advice.use == "Cheapest of the norms: batch or layer."
    assert "batch is ahead of local by at least 1 copy." in advice.because
    assert [(ground.more.norm, ground.than, ground.unit) for ground in advice.grounds] == [
        ("batch", "", "copies"), ("layer", "", "copies"),
    ]  # fmt: skip
