"""Verdicts: every claim made true, made false and left open, on records made by hand; and the table of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from localnorm.lab.analysis.claims import CLAIMS, QUESTIONS, SELF, claim_of
from localnorm.lab.analysis.paired import ClaimedDifference, weigh
from localnorm.lab.analysis.statistics import LEVEL, p_values
from localnorm.lab.analysis.table import make_table
from localnorm.lab.analysis.verdicts import Judgement, judge
from localnorm.lab.measures import MEASURES, Row, Sample
from localnorm.lab.records.record import Record, Trial
from localnorm.lab.study.study import Study
from made_records import DIGITS, STUDY, Ended, Fate, Run, measured_in, part_of, records

ROWS = {row.name: row for row in (measured_in(measure, STUDY)[0] for measure in MEASURES) if row}
# Of instance the textbook says nothing: there the plain questions are judged.
JUDGED = [
    key
    for key in [*CLAIMS, *((row, "instance") for row in QUESTIONS)]
    if key[0] in ROWS and claim_of(*key).contrasts
]
MEASURED = [key for key in JUDGED if not ROWS[key[0]].exact]
Levels = Mapping[str, float]


def _records(row: str, levels: Levels, spread: float = 0.0, study: Study = STUDY) -> list[Record]:
    """Return records in which each norm's value in a row is its level.

    What a seed adds to all norms alike is large; `spread` is what it adds to all but none, from -2 to 2 times.
    """

    def value(norm: str, place: int) -> float:
        own = spread * (place % 5 - 2) * (1 + study.norms.index(norm)) if norm != "none" else 0.0
        return levels.get(norm, 0.0) + 10.0 * (place % 5) + own

    def fate(t: Trial) -> Fate:
        level, part = value(t.norm, t.seed), part_of(study, t)
        default = part == "grid" and t.learning_rate == DIGITS.schedule.default_learning_rate
        if row == "hyperparameter sensitivity":
            return Run(test=20.0 + level, validation=11.0) if default else Run(test=20.0)
        if row == "robustness to noise":
            return Run(corrupted=20.0 + level)
        if row == "feature learning":
            return Run(probe=20.0 + level)
        if row == "batch-size dependence":
            return Run(test=20.0 + level) if (part, t.batch_size) == ("batch", 8) else Run(test=20.0)
        wanted = {"generalization": "grid", "suitability for RNNs": "rows"}.get(row)
        return Run(test=20.0 + level) if part == wanted else Run()

    return records(
        study,
        fate,
        {
            "cost": {norm: [2.0 + value(norm, i) for i in range(10)] for norm in study.norms},
            "flexibility": {norm: 5 + levels.get(norm, 0) for norm in study.norms},
        }
        if row in ("computational cost", "flexibility")
        else None,
    )


def _levels(row: str, norm: str, gap: float) -> Levels:
    """Return levels at which every contrast of a claim is the gap."""
    levels = dict.fromkeys(STUDY.norms, 0.0)
    for contrast in claim_of(row, norm).contrasts * 2:
        more, than = (norm if name == SELF else name for name in (contrast.more, contrast.than))
        levels[more] = max(levels[more], levels[than] + gap)
    return levels


def _judged(row: str, levels: Levels, spread: float = 0.0, study: Study = STUDY) -> dict[str, Judgement]:
    measure = next(measure for measure in MEASURES if measure.name == row)
    found, samples = measured_in(measure, study, _records(row, levels, spread, study))
    return judge(found, samples)


@pytest.mark.parametrize(("row", "norm"), JUDGED)
@pytest.mark.parametrize("verdict", ["supported", "not supported"])
def test_every_claim_can_be_found_right_and_wrong(row: str, norm: str, verdict: str):
    contrasts, effect = claim_of(row, norm).contrasts, ROWS[row].smallest_effect
    apart = contrasts[0].holds == (verdict == "supported")
    found = _judged(row, _levels(row, norm, 3 * effect * apart))[norm]
    assert (found.verdict, found.why) == (verdict, "")
    # Each difference is the same for every seed but for roundings of sums near 100.
    values = [compared.difference.value for compared in found.compared]
    assert values == pytest.approx([3 * effect * apart] * len(contrasts), abs=1e-12)
    assert found.p_value is None if ROWS[row].exact else found.p_value <= 1 - LEVEL


@pytest.mark.parametrize(("row", "norm"), MEASURED)
def test_a_difference_about_as_large_as_the_smallest_effect_decides_nothing(row: str, norm: str):
    effect = ROWS[row].smallest_effect
    found = _judged(row, _levels(row, norm, effect), spread=effect)[norm]
    assert (found.verdict, found.why) == ("undecided", "")
    assert found.p_value > 1 - LEVEL


@pytest.mark.parametrize(("row", "norm"), [key for key in MEASURED if key[0] != "computational cost"])
@pytest.mark.parametrize("seeds", [1, 2])
def test_one_seed_or_two_decide_nothing(row: str, norm: str, seeds: int):
    found = _judged(row, _levels(row, norm, 100.0), study=replace(STUDY, seeds=STUDY.seeds[:seeds]))[norm]
    assert (found.verdict, found.comparison) == ("undecided", "undecided")
    assert (found.p_value, found.why) == (None, "fewer than 3 pairs")


RANKINGS = {
    # Levels of local, batch and layer, and the verdicts on high, moderate and low.
    (2, 1, 0): ("supported", "supported", "supported"),
    (0, 1, 2): ("not supported", "not supported", "not supported"),
    (1, 1, 0): ("not supported", "not supported", "supported"),
    (2, 0, 0): ("supported", "not supported", "not supported"),
}


@pytest.mark.parametrize("levels", RANKINGS)
@pytest.mark.parametrize("row", ["computational cost", "hyperparameter sensitivity"])
def test_high_moderate_and_low_are_a_ranking(row: str, levels: tuple[int, ...]):
    three = ("local", "batch", "layer")
    effect = ROWS[row].smallest_effect
    found = _judged(row, {norm: 3 * effect * level for norm, level in zip(three, levels, strict=True)})
    assert tuple(found[norm].verdict for norm in three) == RANKINGS[levels]


@pytest.mark.parametrize("row", [name for name, row in ROWS.items() if row.lower_is_better is not None])
def test_standing_against_none(row: str):
    effect = ROWS[row].smallest_effect
    levels = {"none": 4 * effect, "local": effect, "batch": 7 * effect, "layer": 4.3 * effect}
    if ROWS[row].exact:
        levels["layer"] = 4 * effect
    found = _judged(row, levels)
    lower, higher = ("better", "worse") if ROWS[row].lower_is_better else ("worse", "better")
    standings = [found[norm].comparison for norm in ("local", "batch", "layer")]
    assert standings == [lower, higher, "no different"]
    assert found["local"].difference.value == pytest.approx(-3 * effect, abs=1e-12)
    assert "none" not in found


SCOPES = [
    ("local", "local neighbourhood", "supported"),
    ("local", "group of channels", "not supported"),
    ("batch", "mini-batch", "supported"),
    ("batch", "one channel", "not supported"),
    ("layer", "single layer", "supported"),
    ("layer", "itself", "not supported"),
    ("instance", "one channel", "supported"),
    ("instance", "itself", "not supported"),
]


@pytest.mark.parametrize(("norm", "reach", "verdict"), SCOPES)
def test_scope_is_judged_by_its_words(norm: str, reach: str, verdict: str):
    cell = make_table(STUDY, records(STUDY, probes={"scope": {norm: reach}})).row("normalization scope").cell(norm)
    assert (cell.measured, cell.verdict, cell.judgement.p_value) == (reach, verdict, None)


def test_a_norm_that_failed_everywhere_is_no_help_there_and_else_undecided():
    def fate(t: Trial) -> Fate:
        return Ended("failed", "LabError: no positions") if t.norm == "instance" else Run()

    table = make_table(STUDY, records(STUDY, fate))
    for row in ("generalization", "feature learning", "robustness to noise", "suitability for RNNs"):
        assert table.row(row).cell("instance").verdict == "not supported"
        assert table.row(row).cell("instance").judgement.why == "instance: failed: LabError: no positions"
    for row in ("hyperparameter sensitivity", "batch-size dependence"):
        assert table.row(row).cell("instance").verdict == "undecided"
    diverged = make_table(STUDY, records(STUDY, lambda t: Ended() if t.norm == "instance" else Run()))
    assert diverged.row("generalization").cell("instance").verdict == "undecided"


def test_a_claim_about_a_norm_that_is_not_in_the_study_is_undecided():
    study = replace(STUDY, norms=("none", "local"))
    found = _judged("computational cost", {}, study=study)["local"]
    assert (found.verdict, found.why, found.compared) == ("undecided", "batch: not in this study", ())
    assert found.comparison == "no different"


def test_pairs_are_of_one_seed_and_both_ended_well():
    row = Row("generalization", "", "%", smallest_effect=0.5)
    none, own = (None, 10.0, 20.0, 30.0, 40.0), (1.0, 9.0, None, 29.0, 39.0)
    found = judge(row, {"none": Sample(none), "own": Sample(own)})["own"]
    assert (found.difference.low, found.difference.high) == (-1.0, -1.0)
    assert (found.verdict, found.comparison) == ("supported", "better")
    two = judge(row, {"none": Sample(none[:4]), "own": Sample(own[:4])})["own"]
    assert (two.verdict, two.why) == ("undecided", "fewer than 3 pairs")


def test_a_row_of_more_norms_needs_more_evidence():
    row = Row("generalization", "", "%", smallest_effect=0.5)
    lower = (1.2, 0.9, 0.3, 1.4, 0.8, 0.6)
    p_value = p_values(lower, 0.5).at_least
    assert 0.05 / 3 < p_value < 0.05, "the sample should decide alone and not among three"
    samples = {"none": Sample((0.0,) * 6)} | {f"own{i}": Sample(tuple(-x for x in lower)) for i in range(3)}
    alone = judge(row, dict(list(samples.items())[:2]))["own0"]
    assert (alone.verdict, alone.comparison, alone.p_value) == ("supported", "better", p_value)
    among = judge(row, samples)["own0"]
    assert (among.verdict, among.comparison, among.p_value) == ("undecided", "undecided", 3 * p_value)


def test_a_claim_of_two_differences_pays_for_both():
    above = (0.2, 0.5, 0.9, 1.05, 0.6)
    from_local = ClaimedDifference([[9.0 - x for x in above]])
    # The difference from layer refutes it: one of two that could have.
    weighed = weigh([from_local, ClaimedDifference([list(above)])], 1.0)
    assert weighed is not None
    assert weighed.less == 2 * p_values(above, 1.0).less
