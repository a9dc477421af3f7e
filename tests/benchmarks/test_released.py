"""Check the conversions against the installed frameworks themselves.

A test of a wrong release describes its error, so that a corrected release makes it fail; then run
``python -m benchmarks.released`` again and move the case to those that are right.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from benchmarks.released.causes import cause
from benchmarks.released.checks import CHECKS, IMPLEMENTATIONS, Section
from benchmarks.released.implementations import RELEASED, Array, Released

from localnorm import LRNSpec, reference

# Float32 has a unit roundoff u of 6e-8. A direct sum of 7 squares, k added and the power with beta below 1 err by
# at most about 12 u. A running sum adds 2 roundings a channel of the largest sum so far, which the inputs below
# keep within a small factor of the others. Either way 1e-6 is kept; a wrong window or alpha errs by 1e-2 or more.
TOLERANCE = 1e-6
SHAPE = (2, 17, 5, 4)


def _input(seed: int = 0, shape: tuple[int, ...] = SHAPE) -> Array:
    """Return numbers of both signs, away from 0, so that sums of their squares differ by small factors."""
    rng = np.random.default_rng(seed)
    return (rng.uniform(0.5, 2.0, shape) * rng.choice([-1, 1], shape)).astype(np.float32)


def _error(y: Array, x: Array, spec: LRNSpec) -> Array:
    """Return the relative error for each channel."""
    wanted = reference.forward(x, spec)
    assert y.shape == x.shape
    return np.max(np.abs(y - wanted) / np.abs(wanted), axis=(0, 2, 3))


def _installed(name: str) -> Released:
    released = RELEASED[name]
    for module in released.modules:
        pytest.importorskip(module)
    return released


# Whole numbers for k: OpenVINO's CPU plugin has no others (below).
ACROSS = {
    "size 1": LRNSpec(0, 0, 0.7, 0.75, 2.0),
    "size 3": LRNSpec(1, 1, 0.6, 0.75, 1.0),
    "size 5": LRNSpec(2, 2, 0.5, 0.75, 2.0),
    "size 7": LRNSpec(3, 3, 1.3, 0.6, 1.0),
}
LOW = {"size 2 low": LRNSpec(1, 0, 0.7, 0.75, 2.0), "size 6 low": LRNSpec(3, 2, 0.5, 0.5, 1.0)}
WITHIN = {
    "3 x 3": LRNSpec(1, 1, 0.5, 0.75, 2.0, spatial=2),
    "1 x 1": LRNSpec(0, 0, 0.5, 0.75, 2.0, spatial=2),
    "5 x 5": LRNSpec(2, 2, 0.8, 0.6, 1.0, spatial=2),
}
RIGHT = {
    "torch functional": ACROSS | LOW,
    "TensorFlow": ACROSS,
    "TFLite": ACROSS,
    "LiteRT": ACROSS,
    "onnxruntime": ACROSS,
    "OpenVINO": ACROSS | WITHIN,
    "OpenVINO from ONNX": ACROSS,
    "OpenVINO from TensorFlow": {label: ACROSS[label] for label in ("size 1", "size 5")},
    "OpenCV": ACROSS | WITHIN,
    "OpenCV from ONNX": ACROSS,
    "ncnn": ACROSS | WITHIN,
    "TVM from ONNX": ACROSS,
    "MXNet": {label: ACROSS[label] for label in ("size 3", "size 5", "size 7")},
}


@pytest.mark.parametrize(("name", "label"), [(name, label) for name, specs in RIGHT.items() for label in specs])
def test_the_conversion_means_what_the_framework_computes(name: str, label: str):
    released, x, spec = _installed(name), _input(), RIGHT[name][label]
    assert _error(released(x, spec), x, spec).max() <= TOLERANCE


def test_every_release_is_right_somewhere_or_said_to_be_wrong():
    wrong = {
        "torch CrossMapLRN2d",
        "TFLite reference kernels",
        "LiteRT reference kernels",
        "onnx ReferenceEvaluator",
    }
    assert set(RIGHT) | wrong == set(RELEASED)


# Each of these is wrong in the versions of docs/released.md.


def test_cross_map_never_subtracts_channel_0():
    released, x, spec = _installed("torch CrossMapLRN2d"), _input(), ACROSS["size 5"]
    error = _error(released(x, spec), x, spec)
    assert error[:3].max() <= TOLERANCE
    assert error[3:].min() >= 1e-2
    # With channel 0 in every window it is what the module computes.
    squares = np.square(x.astype(np.float64))
    total = np.stack(
        [squares[:, max(c - 2, 0) : c + 3].sum(1) + squares[:, 0] * (c > 2) for c in range(17)], axis=1
    )
    np.testing.assert_allclose(released(x, spec), x / (2.0 + 0.5 * total) ** 0.75, rtol=TOLERANCE)


def test_cross_map_is_right_for_no_more_channels_than_half_a_window():
    released, x, spec = _installed("torch CrossMapLRN2d"), _input(shape=(2, 3, 5, 4)), ACROSS["size 5"]
    assert _error(released(x, spec), x, spec).max() <= TOLERANCE


@pytest.mark.parametrize("radius", [1, 2, 3])
def test_tflite_reference_kernels_leave_out_the_last_channel_of_a_window(radius: int):
    released, x = _installed("TFLite reference kernels"), _input()
    spec = LRNSpec(radius, radius, 0.5, 0.75, 2.0)
    y = released(x, spec)
    assert _error(y, x, replace(spec, hi=radius - 1)).max() <= TOLERANCE
    assert _error(y, x, spec)[:-radius].min() >= 1e-2


@pytest.mark.parametrize("spec", [ACROSS["size 5"], LRNSpec(1, 2, 0.7, 0.75, 2.0)], ids=["odd", "even"])
def test_onnx_reference_counts_samples_for_channels(spec: LRNSpec):
    released = _installed("onnx ReferenceEvaluator")
    square = _input(shape=(7, 7, 3, 2))
    assert _error(released(square, spec), square, spec).max() <= TOLERANCE
    x = _input()
    error = _error(released(x, spec), x, spec)
    assert error[:2].max() <= TOLERANCE
    assert error[2:].min() >= 1e-2


@pytest.mark.parametrize("radius", [1, 3, 5])
def test_openvino_reads_an_odd_radius_of_tensorflow_as_the_one_below(radius: int):
    released, x = _installed("OpenVINO from TensorFlow"), _input()
    spec = LRNSpec(radius, radius, 0.5, 0.75, 2.0)
    y = released(x, spec)
    assert _error(y, x, replace(spec, lo=radius - 1, hi=radius - 1)).max() <= TOLERANCE
    assert _error(y, x, spec).min() >= 1e-2


@pytest.mark.parametrize("spec", [ACROSS["size 5"], WITHIN["3 x 3"]], ids=["across", "within"])
def test_openvino_rounds_bias_down_to_a_whole_number(spec: LRNSpec):
    released, x = _installed("OpenVINO"), _input()
    y = released(x, replace(spec, k=1.75))
    assert _error(y, x, replace(spec, k=1.0)).max() <= TOLERANCE
    assert _error(y, x, replace(spec, k=1.75)).min() >= 1e-2


@pytest.mark.parametrize("name", ["onnxruntime", "OpenCV", "TFLite"])
def test_a_running_sum_carries_a_spike_into_windows_without_it(name: str):
    released, x, spec = _installed(name), np.abs(_input()), LRNSpec(2, 2, 0.2, 0.75, 1.0)
    x[:, 4] = 1e4
    error = _error(released(x, spec), x, spec)
    assert error[:2].max() <= TOLERANCE
    assert not np.nanmax(error[7:]) <= 0.1


@pytest.mark.parametrize("name", ["torch functional", "OpenVINO", "ncnn", "TensorFlow"])
def test_a_direct_sum_carries_no_spike(name: str):
    released, x, spec = _installed(name), np.abs(_input()), LRNSpec(2, 2, 0.2, 0.75, 1.0)
    x[:, 4] = 1e4
    assert _error(released(x, spec), x, spec)[[0, 1, *range(7, 17)]].max() <= TOLERANCE


EVEN = {
    # Arguments that the conversions refuse because builds differ: what these builds sum, relative to the centre.
    "OpenVINO": ({"axes": (1,), "alpha": 2.0, "beta": 0.75, "bias": 1.0, "size": 4}, (1, 1)),
    "ncnn": ({"region_type": 0, "local_size": 4, "alpha": 2.0, "beta": 0.75, "bias": 1.0}, (2, 1)),
}


@pytest.mark.parametrize("name", EVEN)
def test_even_sizes_that_the_conversions_refuse(name: str):
    arguments, (lo, hi) = EVEN[name]
    x = _input()
    assert _error(_installed(name).run(x, arguments), x, LRNSpec(lo, hi, 0.5, 0.75, 1.0)).max() <= TOLERANCE


@pytest.mark.parametrize("name", ["onnxruntime", "OpenCV", "OpenCV from ONNX"])
def test_even_sizes_that_the_frameworks_refuse(name: str):
    size = "local_size" if name == "OpenCV" else "size"
    with pytest.raises(Exception, match=r"odd|size_ % 2"):
        _installed(name).run(_input(), {size: 4, "alpha": 2.0, "beta": 0.75, "bias": 1.0})


def test_opencv_without_norm_by_size():
    x, arguments = _input(), {"local_size": 5, "alpha": 0.5, "beta": 0.75, "bias": 2.0, "norm_by_size": False}
    assert _error(_installed("OpenCV").run(x, arguments), x, LRNSpec.from_opencv(**arguments)).max() <= TOLERANCE


def test_openvino_spans_other_numbers_of_spatial_axes():
    x = _input(shape=(2, 5, 7, 4, 3))
    spec = LRNSpec(1, 1, 0.5, 0.75, 2.0, spatial=3)
    wanted = reference.forward(x, spec)
    assert np.max(np.abs(_installed("OpenVINO")(x, spec) - wanted) / np.abs(wanted)) <= TOLERANCE


PAGE = (Path(__file__).parents[2] / "docs" / "released.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_page_says_what_is_wrong_here(check: Callable[[], Section]):
    """Which rows are wrong, by the installed releases; their numbers may differ from machine to machine."""
    for module in ("torch", "tensorflow", "onnx", "onnxruntime", "openvino", "cv2", "ncnn"):
        pytest.importorskip(module)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        section = check()
    _, _, rest = PAGE.partition(f"## {section.title}\n")
    every_row = re.findall(r"^\| (.+?) \|.* \|$", rest.partition("\n## ")[0], flags=re.MULTILINE)[1:]
    rows = [row for row in every_row if row.strip("*") in IMPLEMENTATIONS]
    assert rows == [f"**{name}**" if name in section.wrong else name for name in section.rows]
    assert all(cause(section.key, name) for name in section.wrong)
