"""Sequential verdicts: levels against simulated paths, intervals against SciPy, and error rates of whole rows."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import norm, skewnorm, trim_mean
from scipy.stats import t as student
from scipy.stats.mstats import winsorize

from localnorm.lab.analysis.inference import ERROR, UNSEEN, center, decide, decisions, levels, look
from localnorm.lab.study.study import LOOKS

NORMS = 6
STEP = 0.2  # points of error that one of 500 test images is


def _differences(kind: str, studies: int, mean: float, spread: float, seed: int = 0) -> np.ndarray:
    """Draw ``norm - none`` of shape (studies, norms, pairs): `none` is shared, errors come in steps."""
    rng = np.random.default_rng(seed)
    shape = (studies, NORMS + 1, LOOKS[-1])
    if kind == "skewed":
        skewed = skewnorm(4)  # a skewness of 0.78
        runs = (skewed.rvs(shape, random_state=rng) - skewed.mean()) / skewed.std()
    else:
        runs = rng.normal(size=shape)
    runs *= spread / math.sqrt(2)
    if kind == "outliers":
        runs += (rng.random(shape) < 0.02) * rng.uniform(5, 20, shape)
    differences = runs[:, 1:] - runs[:, :1] + mean
    return np.round(differences / STEP) * STEP


@pytest.mark.parametrize("sides", [1, 2])
@pytest.mark.parametrize("error", [ERROR, ERROR / NORMS])
def test_all_looks_together_err_as_often_as_they_may(error: float, sides: int):
    rng = np.random.default_rng(1)
    steps = rng.normal(size=(400_000, len(LOOKS))) * np.sqrt(np.diff(LOOKS, prepend=0))
    z = steps.cumsum(axis=1) / np.sqrt(LOOKS)
    bounds = norm.isf(np.array(levels(error, sides)) / sides)
    crossed = (np.abs(z) if sides == 2 else z) >= bounds
    rate = crossed.any(axis=1).mean()
    # Four standard errors of the simulation.
    assert abs(rate - error) < 4 * math.sqrt(error / len(z))


def test_the_error_is_spent_in_the_square_of_the_pairs():
    rng = np.random.default_rng(2)
    steps = rng.normal(size=(400_000, len(LOOKS))) * np.sqrt(np.diff(LOOKS, prepend=0))
    z = steps.cumsum(axis=1) / np.sqrt(LOOKS)
    crossed = np.abs(z) >= norm.isf(np.array(levels(ERROR, 2)) / 2)
    by_look = np.maximum.accumulate(crossed, axis=1).mean(axis=0)
    np.testing.assert_allclose(by_look, ERROR * (np.array(LOOKS) / LOOKS[-1]) ** 2, atol=4e-4 * 4)


@pytest.mark.parametrize("count", [2, 6, 10, 16, 24, 40, 41])
def test_the_center_is_scipys_trimmed_mean(count: int):
    x = np.random.default_rng(count).standard_t(3, count)
    middle = center(list(x), 0.0)
    cut = count // 10
    assert middle.value == pytest.approx(trim_mean(x, 0.1))
    spread = np.std(winsorize(x, limits=(cut / count, cut / count)), ddof=1)
    assert middle.error == pytest.approx(spread / math.sqrt(count) / (1 - 2 * cut / count))
    assert middle.freedom == (count - 2 * cut - 2 if cut else count - 1)


def test_equal_differences_are_known_to_half_a_step_at_most():
    assert center([0.4] * 6, STEP).error == pytest.approx(STEP / math.sqrt(12 * 6))
    assert center([0.5] * 6, 0.0).error == 0


@pytest.mark.parametrize("pairs", LOOKS)
@pytest.mark.parametrize(
    ("kind", "spread"), [("normal", 0.5), ("normal", 1.0), ("normal", 3.0), ("outliers", 1.0)]
)
def test_intervals_cover_at_every_look(kind: str, spread: float, pairs: int):
    """At the plain level of 0.95, of the trimmed mean, whose value is that of the mean for symmetric draws."""
    samples = _differences(kind, 1500, 0.3, spread).reshape(-1, LOOKS[-1])[:, :pairs]
    covered = 0
    for sample in samples:
        middle = center(list(sample), STEP)
        covered += abs(middle.value - 0.3) <= student.isf(0.025, middle.freedom) * middle.error
    # Nominal 0.95; 9,000 samples of a shared `none` have a standard error of about 0.003.
    assert covered / len(samples) >= 0.94


@pytest.mark.parametrize(
    ("kind", "spread"), [("normal", 1.0), ("normal", 1.75), ("skewed", 1.0), ("outliers", 1.0)]
)
@pytest.mark.parametrize("mean", [0.0, 1.0])
def test_a_row_errs_in_one_of_twenty_studies_at_most(kind: str, spread: float, mean: float):
    """Of placebos none may be called different; at exactly the smallest effect none may be called no different."""
    wrong = {"better", "worse"} if mean == 0 else {"no different", "better"}
    studies = _differences(kind, 600, mean, spread, seed=3)
    false = sum(
        any(decide(list(cell), 1.0, NORMS, resolution=STEP).word in wrong for cell in row) for row in studies
    )
    # ERROR and three standard errors of 600 studies.
    assert false / len(studies) <= ERROR + 3 * math.sqrt(ERROR * (1 - ERROR) / len(studies))


@pytest.mark.parametrize(("harm", "least"), [(1.0, 0.9), (2.0, 0.99)])
def test_harms_are_found(harm: float, least: float):
    cells = _differences("normal", 30, harm, 1.0, seed=4).reshape(-1, LOOKS[-1])
    words = [decide(list(cell), 1.0, NORMS, resolution=STEP).word for cell in cells]
    assert words.count("worse") / len(words) >= least


def test_a_verdict_stands_whatever_comes_later_and_however_often_it_is_asked_for():
    for cell in _differences("normal", 40, 0.7, 1.2, seed=5).reshape(-1, LOOKS[-1]):
        words = [decide(list(cell[:n]), 1.0, NORMS, resolution=STEP) for n in range(LOOKS[-1] + 1)]
        first = next((n for n, decision in enumerate(words) if decision.word != "undecided"), None)
        if first is None:
            continue
        assert first in LOOKS
        kept = {(d.word, d.pairs, d.estimate, d.low, d.high) for d in words[first:]}
        assert len(kept) == 1


def test_between_looks_nothing_is_decided():
    assert decide([-5.0] * 5, 1.0, 1) == UNSEEN
    assert decide([-5.0] * 6, 1.0, 1) == decide([-5.0] * 9, 1.0, 1)


def test_better_follows_the_direction_and_clearly_needs_the_whole_interval_beyond_the_effect():
    low = [-2.0, -2.1, -1.9, -2.05, -1.95, -2.0]
    assert look(low, 1.0, 1, looks=(6,)).word == "better"
    assert look(low, 1.0, 1, looks=(6,), lower_is_better=False).word == "worse"
    assert look(low, 1.0, 1, looks=(6,)).clearly
    assert not look(low, 1.95, 1, looks=(6,)).clearly


def test_no_different_is_asked_first():
    """A difference that is both surely there and surely small is no difference that matters."""
    small = [0.3, 0.31, 0.29, 0.3, 0.3, 0.3]
    decision = look(small, 1.0, 1, looks=(6,))
    assert decision.low > 0
    assert decision.word == "no different"


def test_clearly_may_come_later_than_the_verdict():
    cell = [1.9, 2.6, 1.2, 2.4, 1.7, 2.2, *[2.0, 2.1] * 17]
    seen = decisions(cell, 1.0, 1)
    assert seen[0].word == "worse"
    assert not seen[0].clearly
    decision = decide(cell, 1.0, 1)
    assert decision.clearly
    assert decision.pairs == 6
