"""Conventions against the examples that frameworks publish, and those whose arguments are unlike the others'."""

from __future__ import annotations

import numpy as np
import pytest

from localnorm import LRNSpec, reference
from localnorm.conventions import CONVENTIONS
from localnorm.errors import ConversionError, SpecError


def _from(name: str, *args, **kwargs) -> LRNSpec:
    return LRNSpec.from_framework(name, *args, **kwargs)


def test_nnef_lists_an_extent_for_each_axis():
    assert LRNSpec.from_nnef([1, 5, 1, 1]) == LRNSpec.from_nnef((1, 5)) == LRNSpec(2, 2, 0.2, 0.5, 1.0)
    assert LRNSpec.from_nnef([1, 1, 3, 3]) == LRNSpec(1, 1, 1 / 9, 0.5, 1.0, spatial=2)
    assert LRNSpec(1, 1, 1 / 27, 0.5, 1.0, spatial=3).to_nnef()["size"] == [1, 1, 3, 3, 3]
    with pytest.raises(SpecError, match=r"size must be odd in nnef since this row leaves open .*, got 4; use 5"):
        LRNSpec.from_nnef([1, 4, 1, 1])
    for size in (5, [5], [2, 5, 1, 1], [1, 5, 5, 5], [1, 1, 3, 5], [1, 0, 1, 1], [1, 5.0, 1, 1], "5", None):
        with pytest.raises(
            SpecError, match=r"^size must list an extent for each axis, .*; pass \[1, 5, 1, 1\] or"
        ):
            LRNSpec.from_nnef(size)
    with pytest.raises(ConversionError, match=r"nnef multiplies alpha by 5, which overflows"):
        LRNSpec(2, 2, 1e308, 0.75, 1.0).to_nnef()


def test_openvino_grn_takes_every_channel_and_no_alpha():
    spec = LRNSpec.from_openvino_grn(1e-3, channels=8)
    assert spec == LRNSpec(7, 7, 1.0, 0.5, 1e-3)
    assert spec.to_openvino_grn() == {"bias": 1e-3, "channels": 8}
    x = np.random.default_rng(0).normal(size=(2, 8, 3, 2))
    wanted = x / np.sqrt(np.sum(x**2, axis=1, keepdims=True) + 1e-3)
    np.testing.assert_allclose(reference.forward(x, spec), wanted, rtol=1e-15)
    assert CONVENTIONS["openvino_grn"].code({"bias": 0.5, "channels": 8}) == "openvino.opset1.grn(x, bias=0.5)"
    for wrong, text in ((LRNSpec(7, 7, 1.0, 0.75, 1.0), "beta=0.5"), (LRNSpec(7, 7, 0.5, 0.5, 1.0), "alpha=1")):
        with pytest.raises(
            ConversionError, match=rf"openvino_grn has {text}, this spec has 0.[57]5?; use another"
        ):
            wrong.to_openvino_grn()
    with pytest.raises(ConversionError, match="openvino_grn needs channels"):
        LRNSpec.from_openvino_grn(1.0)


# Values that the documentation of a framework prints for an input.
PUBLISHED = {
    # mindspore.ops.lrn, its example; the formula above it divides alpha, which gives 0.0995... in the first place.
    "mindspore": ({}, [0.1, 0.3], [0.09534626, 0.2860388]),
    "mindspore, second position": ({}, [0.2, 0.4], [0.1825742, 0.3651484]),
    # crosschannelnorm: ones in 3 channels, of which the first and the last see two.
    "matlab": ({"WindowChannelSize": 3, "Alpha": 1, "Beta": 1, "K": 1e-5}, [1, 1, 1], [1.5, 1.0, 1.5]),
    # LRN in TensorRT: 1 / (0.1 + 5 / 3) = 0.566.
    "tensorrt": ({"window": 3, "alpha": 1, "beta": 1, "k": 0.1}, [1, 2], [0.566, 2 * 0.566]),
}


@pytest.mark.parametrize("example", PUBLISHED)
def test_published_examples(example: str):
    arguments, x, printed = PUBLISHED[example]
    spec = _from(example.partition(",")[0], **arguments)
    # As many digits as are printed.
    np.testing.assert_allclose(reference.forward([x], spec)[0], printed, rtol=1e-7 if "mind" in example else 1e-3)


def test_mindspore_contradicts_its_formula():
    """Its documentation prints alpha / n; so read, its own example would come out differently."""
    by_formula = reference.forward([[0.1, 0.3]], LRNSpec.from_wolfram(ChannelWindowSize=5))
    assert abs(by_formula[0, 0] - 0.09534626) > 4e-3
    assert "prints alpha / n" in LRNSpec.from_mindspore.__doc__
