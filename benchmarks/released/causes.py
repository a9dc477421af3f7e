"""Causes of the errors of released implementations, and the source files in which they were found."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Cause:
    """One mistake, the implementations that make it, and the checks that it shows in.

    Attributes:
        text: what is wrong.
        files: the file that was read, by implementation; empty for a cause that was not read but measured.
        checks: the keys of the checks.
    """

    text: str
    files: dict[str, str]
    checks: tuple[str, ...]


_SUMS = ("spike", "overflow", "nan")
_CROSS_MAP = "torch/nn/modules/_functions.py"
_OPENCV = "modules/dnn/src/layers/lrn_layer.cpp"
_OPENVINO = "src/plugins/intel_cpu/src/nodes/lrn.h"

# If two causes fit, the first is shown.
CAUSES = {
    "channel 0 stays": Cause(
        "One sum is moved from channel to channel and subtracts the square that leaves the window under "
        "`if c > pre_pad`, where `>=` is meant, so that of channel 0 is never subtracted. The test has 3 "
        "channels, where the branch is not taken.",
        {"torch CrossMapLRN2d": _CROSS_MAP},
        ("ordinary", "bias", "even"),
    ),
    "last channel missing": Cause(
        "The loop over a window ends before `min(depth, c + range)`, so the window lacks its last channel.",
        {
            "TFLite reference kernels": "tensorflow/lite/kernels/internal/reference/reference_ops.h",
            "LiteRT reference kernels": "",
        },
        ("ordinary", "bias", *_SUMS),
    ),
    "samples for channels": Cause(
        "The loop is `for c in range(x.shape[0])`, over samples where channels are meant, so only as many "
        "channels are normalized as there are samples.",
        {"onnx ReferenceEvaluator": "onnx/reference/ops/op_lrn.py"},
        ("ordinary",),
    ),
    "odd radius": Cause(
        "An odd depth_radius becomes the size `(depth_radius - 1) * 2 + 1`, that of the radius below.",
        {"OpenVINO from TensorFlow": "src/frontends/tensorflow_common/src/op/lrn.cpp"},
        ("ordinary",),
    ),
    "whole k": Cause(
        "The CPU plugin keeps bias as `int k`, which cuts its fraction off.",
        dict.fromkeys(("OpenVINO", "OpenVINO from TensorFlow", "OpenVINO from ONNX"), _OPENVINO),
        ("bias",),
    ),
    "running sum": Cause(
        "One sum is moved from channel to channel: the square that enters the window is added, the one that "
        "leaves subtracted. What a large square has rounded away does not come back, and an infinity or a NaN "
        "stays.",
        {
            "onnxruntime": "onnxruntime/core/providers/cpu/nn/lrn.cc",
            "OpenCV": _OPENCV,
            "OpenCV from ONNX": _OPENCV,
            "TFLite": "tensorflow/contrib/lite/kernels/internal/optimized/optimized_ops.h",
            "torch CrossMapLRN2d": _CROSS_MAP,
            "LiteRT": "",
        },
        _SUMS,
    ),
    "running sum if deep": Cause(
        "For more than 384 channels and a beta of 0.5 or 1 there is a running sum (above) here too.",
        {"TensorFlow": "tensorflow/core/kernels/lrn_op.cc"},
        ("deep",),
    ),
    "matrix of ones and zeros": Cause(
        "The squares are multiplied by a matrix of ones and zeros, and 0 times an infinity or a NaN is NaN, in "
        "every channel.",
        {"TensorFlow": "tensorflow/core/kernels/lrn_op.cc"},
        ("overflow", "nan", "half"),
    ),
    "square in float16": Cause(
        "The square is taken in float16, where it is infinite.",
        {"torch functional": "torch/nn/functional.py", "onnx ReferenceEvaluator": "onnx/reference/ops/op_lrn.py"},
        ("half",),
    ),
    "even size passed on": Cause(
        "The size is passed on as it is, to a kernel of oneDNN that reaches (size - 1) // 2 channels to both "
        "sides (src/cpu/ref_lrn.cpp there).",
        {"OpenVINO from ONNX": "src/frontends/onnx/frontend/src/op/lrn.cpp"},
        ("even",),
    ),
    "infinite square": Cause(
        "The output is 0 where the right one is not.",
        dict.fromkeys(
            (
                "torch functional",
                "onnx ReferenceEvaluator",
                "OpenVINO",
                "OpenVINO from TensorFlow",
                "OpenVINO from ONNX",
                "ncnn",
                "TVM from ONNX",
                "MXNet",
            ),
            "",
        ),
        ("overflow",),
    ),
}


def cause(check: str, name: str) -> str:
    """Return the name of the cause of an implementation's error in a check, empty if unknown."""
    fits = (label for label, why in CAUSES.items() if check in why.checks and name in why.files)
    return next(fits, "")
