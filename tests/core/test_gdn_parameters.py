"""GDN parameters of CompressAI's and TensorFlow Compression's checkpoints, by their formulas, bit for bit back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from localnorm.errors import SpecError
from localnorm.gdn_parameters import OFFSET, from_compressai, from_tfc, to_compressai, to_tfc

BETA_BOUND = np.float32(np.sqrt(1e-6 + OFFSET**2))
GAMMA_BOUND = np.float32(OFFSET)


def stored(seed: int, count: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Return roots as a trained layer stores them, many of gamma at its bound."""
    rng = np.random.default_rng(seed)
    beta = np.maximum(rng.normal(1, 0.5, count), BETA_BOUND).astype(np.float32)
    gamma = np.maximum(
        rng.normal(0, 0.2, (count, count)) * 10.0 ** rng.integers(-4, 1, (count, count)), GAMMA_BOUND
    )
    return beta, gamma.astype(np.float32)


@given(st.integers(0, 10_000))
def test_compressai_bit_for_bit(seed: int) -> None:
    beta, gamma = stored(seed)
    state = {"g_a.1.beta": beta, "g_a.1.gamma": gamma, "g_a.0.weight": np.zeros(3)}
    read = from_compressai(state, "g_a.1.")
    exact = gamma.astype(np.float64) ** 2 - OFFSET**2
    np.testing.assert_array_equal(read.gamma, exact.astype(np.float32))
    assert (read.gamma >= 0).all()
    back = to_compressai(*read)
    np.testing.assert_array_equal(back["beta"], beta)
    np.testing.assert_array_equal(back["gamma"], gamma)
    assert back["beta_reparam.lower_bound.bound"] == BETA_BOUND
    assert back["gamma_reparam.pedestal"] == np.float32(OFFSET**2)


@given(st.integers(0, 10_000))
def test_tfc_bit_for_bit_and_transposed(seed: int) -> None:
    beta, gamma = stored(seed)
    read = from_tfc([beta, gamma])
    np.testing.assert_array_equal(read.gamma, (gamma.astype(np.float64) ** 2 - OFFSET**2).T.astype(np.float32))
    for weight, original in zip(to_tfc(*read), (beta, gamma), strict=True):
        np.testing.assert_array_equal(weight, original)
    named = {"gdn_0/reparam_gamma:0": gamma, "gdn_0/reparam_beta:0": beta}
    np.testing.assert_array_equal(from_tfc(named).gamma, read.gamma)


def test_values_below_the_bound_are_the_bound() -> None:
    """As in the layers, whose formula takes the maximum."""
    read = from_compressai({"beta": np.zeros(2, np.float32), "gamma": -np.ones((2, 2), np.float32)})
    np.testing.assert_allclose(read.beta, 1e-6, rtol=1e-5)
    np.testing.assert_array_equal(read.gamma, 0)


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: from_compressai({"beta": [1.0]}), "got no gamma among beta; pass the prefix of the layer"),
        (lambda: from_compressai({}, "a."), r"got no a\.beta among nothing"),
        (lambda: from_compressai({"beta": [1.0, 1.0], "gamma": [[1.0]]}), r"got \(2,\) and \(1, 1\)"),
        (lambda: from_tfc([np.ones(2)]), "two weights, beta and gamma, got 1"),
        (
            lambda: from_tfc({"reparam_alpha:0": 1.0, "reparam_beta:0": [1.0], "reparam_gamma:0": [[1.0]]}),
            "fixed exponents, got a learned alpha",
        ),
    ],
)
def test_refused(call: object, match: str) -> None:
    with pytest.raises(SpecError, match=match):
        call()
