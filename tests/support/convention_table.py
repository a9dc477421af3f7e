"""The conventions of every framework, written by hand to check the table in `localnorm.conventions`."""

from __future__ import annotations

from typing import NamedTuple

# Windows of sizes 1 to 6, None where refused.
LOW = [(0, 0), (1, 0), (1, 1), (2, 1), (2, 2), (3, 2)]
HIGH = [(0, 0), (0, 1), (1, 1), (1, 2), (2, 2), (2, 3)]
WIDE = [(0, 0), (1, 1), (1, 1), (2, 2), (2, 2), (3, 3)]
SHORT = [(0, 0), (0, 0), (1, 1), (1, 1), (2, 2), (2, 2)]
ODD = [(0, 0), None, (1, 1), None, (2, 2), None]
RADIUS = [(1, 1), (2, 2), (3, 3), (4, 4), (5, 5), (6, 6)]

_PAPER = {"n": 5, "k": 2.0, "alpha": 1e-4, "beta": 0.75}
_TORCH = {"alpha": 1e-4, "beta": 0.75, "k": 1.0}
_ONNX = {"alpha": 1e-4, "beta": 0.75, "bias": 1.0}
_CAFFE = {"local_size": 5, "alpha": 1.0, "beta": 0.75, "k": 1.0, "norm_region": "ACROSS_CHANNELS"}
_NCNN = {"local_size": 5, "alpha": 1.0, "beta": 0.75, "bias": 1.0}
_REGION = {0: {"norm_region": "ACROSS_CHANNELS"}, 2: {"norm_region": "WITHIN_CHANNEL"}}
_ACROSS, _WITHIN = {"algorithm": "lrn_across_channels"}, {"algorithm": "lrn_within_channel"}


class Row(NamedTuple):
    """One framework: its names of window, alpha, beta and k, and their meaning."""

    names: str
    defaults: dict
    windows: list
    mean: bool
    order: str = ""
    regions: dict = {0: {}}  # noqa: RUF012  never changed
    extents: bool = False
    divisors: list = [1, 2, 3, 4, 5, 6]  # noqa: RUF012  what a mean divides by, sizes 1 to 6

    @property
    def parameters(self) -> list[str]:
        return (self.order or self.names).split()


TABLE = {
    "paper": Row("n alpha beta k", _PAPER, WIDE, False, "n k alpha beta"),
    "torch": Row("size alpha beta k", _TORCH, LOW, True),
    "tensorflow": Row(
        "depth_radius alpha beta bias",
        {"depth_radius": 5, "bias": 1.0, "alpha": 1.0, "beta": 0.5},
        RADIUS,
        False,
        "depth_radius bias alpha beta",
    ),
    "caffe": Row("local_size alpha beta k", _CAFFE, ODD, True, "local_size alpha beta k norm_region", _REGION),
    "onnx": Row("size alpha beta bias", _ONNX, HIGH, True),
    "cudnn": Row(
        "lrnN lrnAlpha lrnBeta lrnK",
        {"lrnN": 5, "lrnAlpha": 1e-4, "lrnBeta": 0.75, "lrnK": 2.0},
        HIGH,
        True,
    ),
    "cuda_convnet2": Row(
        "size scale pow minDiv",
        {"minDiv": 1.0, "type": "cmrnorm"},
        [None, *LOW[1:]],
        True,
        "size scale pow minDiv type",
        {0: {"type": "cmrnorm"}, 2: {"type": "rnorm"}},
    ),
    "tflite": Row("radius alpha beta bias", {}, RADIUS, False, "radius bias alpha beta"),
    "torch_cross_map": Row("size alpha beta k", _TORCH, ODD, True),
    "onnxruntime": Row("size alpha beta bias", _ONNX, ODD, True),
    "onednn": Row(
        "local_size alpha beta k",
        {"k": 1.0, "ndims": 4},
        SHORT,
        True,
        "algorithm local_size alpha beta k ndims",
        {0: _ACROSS, 2: _WITHIN, 1: _WITHIN | {"ndims": 3}, 3: _WITHIN | {"ndims": 5}},
    ),
    "openvino": Row(
        "size alpha beta bias",
        {"alpha": 1.0, "beta": 0.5, "bias": 1.0, "size": 5},
        ODD,
        True,
        "axes alpha beta bias size",
        {0: {"axes": (1,)}, 1: {"axes": (2,)}, 2: {"axes": (2, 3)}, 3: {"axes": (2, 3, 4)}},
    ),
    "mxnet": Row("nsize alpha beta knorm", {"alpha": 1e-4, "beta": 0.75, "knorm": 2.0}, ODD, True),
    "paddle_fluid": Row("n alpha beta k", _PAPER | {"k": 1.0}, ODD, False, "n k alpha beta"),
    "paddle": Row("size alpha beta k", _TORCH, LOW, True),
    "coreml": Row("size alpha beta k", _TORCH, LOW, True),
    "ncnn": Row(
        "local_size alpha beta bias",
        _NCNN | {"region_type": 0},
        ODD,
        True,
        "region_type local_size alpha beta bias",
        {0: {"region_type": 0}, 2: {"region_type": 1}},
    ),
    "opencv": Row(
        "local_size alpha beta bias",
        _NCNN | {"norm_region": "ACROSS_CHANNELS", "norm_by_size": True},
        ODD,
        True,
        "local_size alpha beta bias norm_region norm_by_size",
        _REGION,
    ),
    "tensorrt": Row("window alpha beta k", {}, ODD, True),
    "lasagne": Row("n alpha beta k", _PAPER, ODD, False, "alpha k beta n"),
    "torch7": Row("size alpha beta k", {"size": 5, **_TORCH}, ODD, True),
    "matconvnet": Row("N alpha beta kappa", {}, HIGH, False, "N kappa alpha beta"),
    "miopen": Row(
        "lrnN lrnAlpha lrnBeta lrnK",
        {},
        [None, *HIGH[1:]],
        True,
        "mode lrnN lrnAlpha lrnBeta lrnK",
        {0: {"mode": "miopenLRNCrossChannel"}, 2: {"mode": "miopenLRNWithinChannel"}},
    ),
    "chainer": Row("n alpha beta k", _PAPER, ODD, False, "n k alpha beta"),
    "matlab": Row("WindowChannelSize Alpha Beta K", {"Alpha": 1e-4, "Beta": 0.75, "K": 2.0}, HIGH, True),
    "wolfram": Row(
        "ChannelWindowSize Alpha Beta Bias",
        {"Alpha": 1.0, "Beta": 0.5, "Bias": 1.0, "ChannelWindowSize": 2},
        RADIUS,
        True,
        "Alpha Beta Bias ChannelWindowSize",
        divisors=[3, 5, 7, 9, 11, 13],
    ),
    "apple_mps": Row(
        "kernelSize alpha beta delta", {"kernelSize": 5, "alpha": 1.0, "beta": 5.0, "delta": 1.0}, LOW, True
    ),
    "directml": Row(
        "LocalSize Alpha Beta Bias",
        {},
        ODD,
        True,
        "CrossChannel LocalSize Alpha Beta Bias",
        {0: {"CrossChannel": True}},
    ),
    "mindspore": Row(
        "depth_radius alpha beta bias",
        {"depth_radius": 5, "bias": 1.0, "alpha": 1.0, "beta": 0.5},
        RADIUS,
        False,
        "depth_radius bias alpha beta",
    ),
    "tinygrad": Row("size alpha beta bias", _ONNX, HIGH, True),
    "nnef": Row(
        "size alpha beta bias",
        {"alpha": 1.0, "beta": 0.5, "bias": 1.0},
        ODD,
        True,
        regions={0: {}, 1: {}, 2: {}, 3: {}},
        extents=True,
    ),
}

# The smallest and largest window argument of frameworks that have such limits.
LIMITS = {
    "cudnn": (1, 16),
    "cuda_convnet2": (2, 10**6),
    "miopen": (2, 10**6),
    "tensorrt": (1, 15),
    "matlab": (1, 16),
}
FIXED = {"openvino_grn"}
"""Conventions that fix alpha and beta; they have tests of their own."""
