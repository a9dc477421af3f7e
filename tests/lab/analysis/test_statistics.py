"""The interval of a norm's own error: a trimmed mean and Student's t, checked against SciPy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from localnorm.lab.analysis.statistics import LEVEL, estimate


def test_below_ten_values_it_is_the_t_interval_of_the_mean():
    values = [3.0, 4.5, 2.0, 6.0, 5.5, 4.0]
    low, high = stats.t.interval(LEVEL, 5, np.mean(values), stats.sem(values))
    found = estimate(values)
    assert (found.value, found.low, found.high) == pytest.approx((np.mean(values), low, high), rel=1e-12)


def test_from_ten_values_on_the_mean_is_scipys_trimmed_mean():
    values = np.random.default_rng(1).normal(size=24)
    found = estimate(values.tolist())
    assert found.value == pytest.approx(stats.trim_mean(values, 0.1), rel=1e-12)
    assert found.low < found.value < found.high


def test_one_value_has_no_interval():
    found = estimate([7.0])
    assert (found.value, found.low, found.high) == (7.0, 7.0, 7.0)


@pytest.mark.parametrize("count", [6, 10, 16, 24, 40])
def test_coverage_on_rounded_normal_values(count: int):
    rng = np.random.default_rng(2)
    samples = np.round(rng.normal(size=(4000, count)) / 0.25) * 0.25
    covered = np.mean([(found := estimate(row.tolist(), 0.25)).low <= 0 <= found.high for row in samples])
    # Five standard errors of a share of 4,000 are 0.017.
    assert covered >= 0.94 - 0.017
