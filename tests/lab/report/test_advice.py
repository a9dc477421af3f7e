"""Which norm to use: the answers follow from the verdicts and are never more certain."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from localnorm.lab.analysis.table import Table, make_table
from localnorm.lab.records.record import Trial
from localnorm.lab.report.advice import Advice, advise, advise_on
from localnorm.lab.report.html import environment
from localnorm.lab.study.study import PILOT_SEEDS, Study
from made_records import DIGITS, ROWS, STUDY, Ended, Fate, Run, like, records

NORMS = ("none", "local", "batch", "layer")
ONE = replace(STUDY, tasks=(DIGITS,), norms=NORMS)


def table(errors: Mapping[str, Sequence[float]], study: Study = ONE) -> Table:
    """A study in which every trial of a norm and seed has that error; of a norm that is not named none ended."""

    def fate(trial: Trial) -> Fate:
        if trial.norm not in errors:
            return Ended()
        error = errors[trial.norm][trial.seed % PILOT_SEEDS[0]]
        return Run(error, error, corrupted=error)

    return make_table(study, records(study, fate))


def about(study_table: Table, topic: str) -> Advice:
    return next(advice for advice in advise(study_table) if advice.topic == topic)


def advice_text(advice: Advice) -> tuple[str, ...]:
    """The answer, its reasons, and over all a line for each norm, as plain text."""
    words: Any = environment(autoescape=False).get_template("advice.jinja").module
    tally = (f"{norm}: {words.tally(rows, False)}" for norm, rows in advice.tally.items())
    return tuple(" ".join(text.split()) for text in (words.answer(advice), words.reasons(advice), *tally))


def around(middle: float, spread: float = 0.1) -> list[float]:
    return [middle + spread * (seed - 2) for seed in range(6)]


FAR = [4.0, 9.0, 3.0, 11.0, 6.0, 5.0]
"""Below around(10) by 5.8, 0.9, 7, -0.9, 4.2, 5.3: far, but too scattered for six pairs."""


@pytest.mark.parametrize(
    ("errors", "answer", "reasons"),
    [
        (
            {"none": around(10), "local": around(10), "batch": around(5), "layer": around(8)},
            "Use batch.",
            ("Better than none: batch, layer. batch is ahead of local, layer. No different from none: local."),
        ),
        (
            {"none": around(10), "local": around(13), "batch": around(5), "layer": around(5.1)},
            "Use batch or layer.",
            (
                "Better than none: batch, layer. batch is ahead of local. "
                "batch is not ahead of layer. Worse than none: local."
            ),
        ),
        (
            {"none": around(10), "local": around(10.1), "batch": around(12), "layer": around(10)},
            "No norm is better than none: choose by another criterion.",
            "Worse than none: batch. No different from none: local, layer.",
        ),
        (
            {"none": around(10), "local": FAR, "batch": around(10)},
            "Undecided.",
            (
                "No norm is shown to be better than none. Best of the undecided norms: local. "
                "No different from none: batch. Undecided against none: local."
            ),
        ),
        (
            {"none": around(10), "local": FAR, "batch": FAR},
            "Undecided.",
            (
                "No norm is shown to be better than none. Best of the undecided norms: local, batch. "
                "Undecided against none: local, batch."
            ),
        ),
        ({"local": around(5)}, "No result.", f"none, the baseline: diverged: {Ended().message}."),
        ({"none": around(5)}, "No result.", f"diverged: {Ended().message}."),
    ],
)
def test_advice_on_a_task_follows_from_the_verdicts(
    errors: Mapping[str, Sequence[float]], answer: str, reasons: str
) -> None:
    assert advice_text(about(table(errors), "On digits")) == (answer, reasons)


def test_grounds_are_the_differences_of_the_table() -> None:
    found = table({"none": around(10), "local": around(10), "batch": around(5), "layer": around(8)})
    grounds = about(found, "On digits").grounds
    row = found.section("digits").find("generalization")
    assert row is not None
    assert [(ground.row, ground.cell, ground.than) for ground in grounds] == [
        (row, row.cell(norm), "none") for norm in ("batch", "layer")
    ]
    for ground in grounds:
        assert ground.cell.judgement is not None
        assert ground.estimate == ground.cell.judgement.difference
        assert (ground.cell.pairs, len(ground.cell.record_keys)) == (6, 6)


def test_over_all_names_who_is_better_somewhere_and_worse_nowhere() -> None:
    study = replace(STUDY, tasks=(DIGITS, ROWS, like(DIGITS, "faces")), norms=NORMS)
    errors = {"none": around(10), "local": around(14), "batch": around(5), "layer": around(10)}
    found = table(errors, study)
    overall, means, *rest = advise(found)
    answer, _, *tally = advice_text(overall)
    assert answer == "Better than none on some task and worse on none: batch."
    # Generalization and robustness of two image tasks, and the recurrent one.
    assert [line.split(",")[0] for line in tally[:2]] == ["batch: better in 5", "local: worse in 5"]
    assert {"generalization on digits", "robustness to noise on faces"} <= {*overall.tally["batch"]["better"]}
    assert "suitability for RNNs on digit-rows" in overall.tally["local"]["worse"]
    assert {ground.cell.norm for ground in overall.grounds} == {"batch"}
    assert means.topic == "Generalization, over digits and faces"
    assert (means.answer, means.norms) == ("use", ("batch",))
    assert {"On digits", "On digit-rows", "On faces", "Cost", "Noisy data", "Little time to tune"} <= {
        advice.topic for advice in rest
    }
    assert [advice.topic for advice in advise_on(found.section("digit-rows"), "digit-rows")] == ["On digit-rows"]


def test_over_all_counts_cost_and_flexibility_for_every_norm_though_no_task_decides() -> None:
    study = replace(ONE, seeds=(0, 1), norms=("none", "local", "batch"))
    cost = {"none": [0.0] * 9, "local": [11.4] * 9, "batch": [9.9] * 9}
    flexibility = {"none": 13, "local": 13, "batch": 10}
    overall = advise(make_table(study, records(study, probes={"cost": cost, "flexibility": flexibility})))[0]
    answer, reasons, *tally = advice_text(overall)
    assert (answer, reasons) == ("Undecided.", "No norm differs from none on any task.")
    assert [line.partition(", undecided")[0] for line in tally] == [
        "local: worse in 1, no different in 1", "batch: worse in 2",
    ]  # fmt: skip
    assert overall.tally["batch"]["worse"] == ["computational cost", "flexibility"]


def test_no_norm_is_advised_that_is_not_shown_to_be_better() -> None:
    rng = random.Random(1)
    advised = 0
    for _ in range(12):
        spread = rng.choice([0.2, 1.0, 4.0])
        middles = {norm: rng.uniform(7, 12) for norm in NORMS}
        errors = {norm: [rng.gauss(middle, spread) for _ in range(6)] for norm, middle in middles.items()}
        found = table(errors)
        row = found.section("digits").find("generalization")
        assert row is not None
        advice = about(found, "On digits")
        norms = advice.norms if advice.answer == "use" else ()
        better = {cell.norm for cell in row.cells if cell.judgement and cell.judgement.comparison == "better"}
        assert {*norms} <= better
        assert bool(norms) == bool(better)
        advised += len(norms)
    assert advised


@pytest.mark.parametrize("seeds", [(0,), (0, 1)])
def test_too_few_seeds_advise_nothing_that_is_trained(seeds: tuple[int, ...]) -> None:
    study = replace(ONE, seeds=seeds)
    found = table({"none": around(10), "local": around(1), "batch": around(5), "layer": around(8)}, study)
    trained = [advice for advice in advise(found) if advice.topic not in ("Cost", "Unusual inputs")]
    assert {advice.answer for advice in trained} == {"undecided"}


@pytest.mark.parametrize(("norms", "made"), [(("none",), True), (NORMS, False)])
def test_a_study_of_none_alone_or_without_records_has_advice_of_no_kind(
    norms: tuple[str, ...], made: bool
) -> None:
    study = replace(ONE, norms=norms)
    found = make_table(study, records(study) if made else [])
    assert not [advice for advice in advise(found) if advice.answer in ("use", "best") or advice.grounds]


def test_cost_names_the_cheapest_norm_and_never_none() -> None:
    cost = {"none": [0.1] * 9, "local": [9.0] * 9, "batch": [5.0] * 9, "layer": [5.2] * 9}
    found = make_table(ONE, records(ONE, probes={"cost": cost}))
    advice = about(found, "Cost")
    assert advice_text(advice) == (
        "Cheapest of the norms: batch, layer.",
        (
            "batch is ahead of local. batch is not ahead of layer. "
            "The cost of none is 0: a norm must be worth its copies."
        ),
    )
    assert [(ground.cell.norm, ground.than) for ground in advice.grounds] == [("batch", ""), ("layer", "")]
