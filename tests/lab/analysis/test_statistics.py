"""The statistics of the table against SciPy, brute force and simulation."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pytest
from scipy import stats

from localnorm.lab.analysis.statistics import (
    RESAMPLES,
    estimate,
    holm,
    interquartile_mean,
    p_values,
    pairs_to_decide,
)
from localnorm.lab.analysis.verdicts import judge
from localnorm.lab.measures import Row, Sample

SKEWED = np.random.default_rng(0).gamma(2.0, size=20).tolist()
P_VALUES = np.random.default_rng(1).uniform(size=(40, 5)) ** 3


def _five_sigma(share: float, samples: int = 1) -> float:
    """Return how far a share of RESAMPLES draws may be from its expectation, compared between samples."""
    return 5 * float(np.sqrt(samples * share * (1 - share) / RESAMPLES))


@pytest.mark.parametrize("count", range(1, 41))
def test_interquartile_mean_is_scipys_trimmed_mean(count: int):
    values = np.random.default_rng(count).normal(size=(3, count))
    # Both average the same at most 40 numbers, perhaps in another order: a few roundings.
    np.testing.assert_allclose(interquartile_mean(values), stats.trim_mean(values, 0.25, axis=1), rtol=1e-13)
    np.testing.assert_allclose(interquartile_mean(values.T, axis=0), interquartile_mean(values), rtol=1e-13)


@pytest.mark.parametrize("values", [SKEWED, SKEWED[:5], [1.0, 1.0, 2.0, 5.0]], ids=["20", "5", "ties"])
def test_estimate_agrees_with_scipys_percentile_bootstrap(values: list[float]):
    found = estimate(values)
    scipys = stats.bootstrap(
        (values,),
        lambda x, axis: stats.trim_mean(x, 0.25, axis=axis),
        n_resamples=RESAMPLES,
        method="percentile",
        rng=np.random.default_rng(2),
    ).bootstrap_distribution
    # Each bound is a quantile of RESAMPLES draws: the share of SciPy's draws beyond it is 2.5 % but for chance
    # in both. Where draws tie, the bound may stand anywhere among its equals; 1e-9 leaves room for roundings.
    for bound, sign in ((found.low, 1), (found.high, -1)):
        beyond, beyond_or_at = (np.mean(sign * (scipys - bound) < room) for room in (-1e-9, 1e-9))
        assert beyond <= 0.025 + _five_sigma(0.025, samples=2)
        assert beyond_or_at >= 0.025 - _five_sigma(0.025, samples=2)
    assert found.value == pytest.approx(stats.trim_mean(values, 0.25), rel=1e-13)


@pytest.mark.parametrize("count", range(1, 6))
def test_holm_is_the_closed_test_with_bonferroni(count: int):
    for values in (*P_VALUES[:, :count].tolist(), [0.01] * count, [1.0] * count, [0.0] * count):
        given = dict(zip("abcde", values, strict=False))
        subsets = [s for size in range(1, count + 1) for s in combinations(given, size)]
        closed = {
            name: max(min(1.0, len(s) * min(given[n] for n in s)) for s in subsets if name in s) for name in given
        }
        assert holm(given) == closed


def test_holm_of_nothing_is_nothing():
    assert holm({}) == {}


@pytest.mark.parametrize("effect", [1.0, 1.6, 2.2])
def test_evidence_is_the_doubled_share_of_all_resamples(effect: float):
    values = SKEWED[:5]
    everything = stats.trim_mean(np.array(list(product(values, repeat=5))), 0.25, axis=1)
    below = np.mean(everything < effect)
    found = p_values(values, effect)
    # Twice the Monte Carlo error of the share, and 2 / (1 + RESAMPLES) for the sample that is counted in.
    allowed = 2 * _five_sigma(below) + 2 / RESAMPLES
    assert 0.02 < below < 0.98, "a share near 0 or 1 would compare nothing"
    assert found.at_least == pytest.approx(min(1.0, 2 * below), abs=allowed)
    assert found.less == pytest.approx(min(1.0, 2 * (1 - below)), abs=allowed)


def test_evidence_is_monotone_in_the_effect():
    found = [p_values(SKEWED, effect) for effect in np.linspace(0.0, 4.0, 41)]
    at_least, less = [e.at_least for e in found], [e.less for e in found]
    assert at_least == sorted(at_least)
    assert less == sorted(less, reverse=True)
    # The smallest p-value there is: no resample on the other side, the sample itself counted, doubled.
    assert (at_least[0], less[0]) == (2 / (1 + RESAMPLES), 1.0)
    assert (at_least[-1], less[-1]) == (1.0, 2 / (1 + RESAMPLES))


@pytest.mark.parametrize("effect", [0.5, 1.5, 3.0])
def test_evidence_is_symmetric(effect: float):
    there, back = p_values(SKEWED, effect), p_values([-value for value in SKEWED], -effect)
    assert (there.at_least, there.less) == (back.less, back.at_least)


@pytest.mark.parametrize(
    "function", [estimate, lambda values: p_values(values, 1.6)], ids=["estimate", "p_values"]
)
def test_the_same_sample_gives_the_same_digits(function):
    assert function(SKEWED) == function(SKEWED)


# Measured over 1,000 samples: 89.5 % at five values and 94.4 % at twenty (standard error 1.0 and 0.7 points).
# The percentile bootstrap is known to be too narrow for few values; the bands hold it to what it is.
@pytest.mark.slow
@pytest.mark.parametrize(("count", "lowest", "highest"), [(5, 0.86, 0.93), (20, 0.92, 0.97)])
def test_the_interval_covers(count: int, lowest: float, highest: float):
    rng = np.random.default_rng(count)
    found = [estimate(rng.normal(size=count).tolist()) for _ in range(1000)]
    assert lowest <= np.mean([e.low <= 0 <= e.high for e in found]) <= highest


@pytest.mark.slow
def test_a_placebo_on_several_tasks_is_rarely_found_better_or_worse():
    rng = np.random.default_rng(2)
    row = Row("generalization", "", "smallest effects", smallest_effect=1.0)
    false = 0
    for _ in range(300):
        # Three tasks, one of them noisier than the others.
        tasks = []
        for noise in (1.0, 1.0, 3.0):
            none, placebo = rng.normal(0, noise / np.sqrt(2), (2, 5)).tolist()
            tasks.append({"none": Sample(tuple(none)), "placebo": Sample(tuple(placebo))})
        found = judge(row, *tasks)["placebo"]
        false += found.comparison in ("better", "worse") or found.verdict == "supported"
    assert false / 300 < 0.05


# The bootstrap of few values is narrow, and the formula is a normal approximation: it names roughly what it takes.
@pytest.mark.slow
def test_the_seeds_that_are_named_decide_as_often_as_is_said():
    rng = np.random.default_rng(3)
    sample = (np.linspace(-1.5, 1.5, 5) + 1.5).tolist()
    needed = pairs_to_decide([sample], 0.5, 1)
    assert needed is not None
    spread = float(np.std(sample, ddof=1))
    decided = np.mean(
        [p_values(rng.normal(1.5, spread, needed).tolist(), 0.5).at_least < 0.05 for _ in range(400)]
    )
    assert 0.65 < decided < 0.95


# Measured over 600 studies: 0.2 %, 0.0 % and 1.0 % (standard error at most 0.4 points). With three seeds and
# noise of four smallest effects it would be 14 %: three pairs can agree by chance.
@pytest.mark.slow
@pytest.mark.parametrize(("seeds", "noise"), [(3, 1), (5, 1), (5, 2)])
def test_a_placebo_with_noise_of_its_own_is_rarely_found_better_or_worse(seeds: int, noise: float):
    rng = np.random.default_rng(1)
    row = Row("generalization", "", "%", smallest_effect=0.5)
    false = 0
    for _ in range(600):
        # The difference of two such errors has a standard deviation of `noise` smallest effects.
        none, placebo = rng.normal(0, noise * row.smallest_effect / np.sqrt(2), (2, seeds)).tolist()
        found = judge(row, {"none": Sample(tuple(none)), "placebo": Sample(tuple(placebo))})["placebo"]
        false += found.comparison in ("better", "worse") or found.verdict == "supported"
    assert false / 600 < 0.05
