"""The table of conventions: what each framework means by the parameters of LRN, one row per framework.

A row is data: the framework's parameters and their defaults, how its size becomes a window, whether it divides
alpha by that size, how it selects a window within a channel, and what it refuses. To add a framework, add a row.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from inspect import Parameter
from types import MappingProxyType
from typing import Any

from localnorm.errors import ConversionError
from localnorm.spelling import nearest

REQUIRED = Parameter.empty
"""Stands for the default of a parameter that has none."""


@dataclass(frozen=True)
class WindowRule:
    """How a framework's size parameter becomes the window ``[c - lo, c + hi]``.

    Attributes:
        text: the rule in words, for messages.
        even: what an even size does, in the words of the table in docs/definition.md.
        window: returns (lo, hi) for a size.
        odd: whether even sizes are refused.
        extent: returns the number that a framework which takes a mean divides by.
        extent_text: that number in words, a format string of the parameter's name.
    """

    text: str
    even: str
    window: Callable[[int], tuple[int, int]]
    odd: bool = False
    extent: Callable[[int], int] = int
    extent_text: str = "{}"

    def size(self, lo: int, hi: int) -> int | None:
        """Return the size whose window is ``[c - lo, c + hi]``, None if there is none."""
        return next((size for size in (lo + hi + 1, lo, lo + 1) if self.window(size) == (lo, hi)), None)


# fmt: off
LOW = WindowRule("an even size has its extra channel below", "extra channel below",
                 lambda size: (size // 2, (size - 1) // 2))
HIGH = WindowRule("an even size has its extra channel above", "extra channel above",
                  lambda size: ((size - 1) // 2, size // 2))
WIDE = WindowRule("the window reaches size // 2 channels to both sides", "one channel more than the size",
                  lambda size: (size // 2, size // 2))
SHORT = WindowRule("the window reaches (size - 1) // 2 channels to both sides", "one channel fewer than the size",
                   lambda size: ((size - 1) // 2, (size - 1) // 2))
ODD = WindowRule("the size is odd and the window symmetric", "error",
                 lambda size: (size // 2, size // 2), odd=True)
RADIUS = WindowRule("the window reaches the radius to both sides", "the window is twice the radius plus 1",
                    lambda radius: (radius, radius), extent=lambda r: 2 * r + 1, extent_text="2 * {} + 1")
ALL = WindowRule("the window holds every channel", "the window holds every channel",
                 lambda channels: (channels - 1, channels - 1))
# fmt: on

ACROSS: Mapping[int, Mapping[str, Any]] = {0: {}}
"""The regions of a framework that normalizes across channels only."""


@dataclass(frozen=True)
class Convention:
    """One framework's parameters for LRN.

    Attributes:
        name: the name for `LRNSpec.from_framework` and `LRNSpec.to_framework`.
        roles: the framework's names of window, alpha, beta and k, in this order.
        parameters: all its parameters in positional order, with their defaults or REQUIRED.
        rule: how the window parameter becomes a window.
        divides: whether the framework divides alpha by the window parameter, within a channel by its power; or
            the name of the parameter that says whether.
        source: where this is defined.
        call: its line of code, a format string of its arguments by name; ``{}`` stands for all as ``name=value``.
        bounds: smallest and largest value of a parameter, if the framework has such; a size is at least 1 anyway.
        fixed: roles that are no parameters, with the value that they always have.
        extents: whether the window parameter lists an extent for each axis of the input, as [1, 5, 1, 1].
        regions: the arguments that select the window, by its number of spatial axes, 0 across channels.
        even: why even sizes are refused here although the framework takes them.
        note: what else its user should know.
    """

    name: str
    roles: tuple[str, str, str, str]
    parameters: Mapping[str, Any]
    rule: WindowRule
    divides: bool | str
    source: str
    call: str = "{}"
    bounds: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    fixed: Mapping[str, float] = field(default_factory=dict)
    extents: bool = False
    regions: Mapping[int, Mapping[str, Any]] = field(default_factory=lambda: ACROSS)
    even: str = ""
    note: str = ""

    @property
    def defaults(self) -> dict[str, Any]:
        """The parameters that have a default."""
        return {name: value for name, value in self.parameters.items() if value is not REQUIRED}

    @property
    def within(self) -> tuple[int, ...]:
        """How many spatial axes a window within a channel can span."""
        return tuple(spatial for spatial in self.regions if spatial)

    @property
    def alpha_rule(self) -> str:
        """How the framework scales alpha, in words."""
        if not self.divides:
            return "taken as it is"
        condition = f", if {self.divides}" if isinstance(self.divides, str) else ""
        if self.extents:
            return f"divided by the product of {self.roles[0]}"
        return f"divided by {self.rule.extent_text.format(self.roles[0])}{'^d' if self.within else ''}{condition}"

    def code(self, arguments: Mapping[str, Any]) -> str:
        """Return the line of code with these arguments; a missing one has its default."""
        pairs = ", ".join(f"{name}={value!r}" for name, value in arguments.items())
        return self.call.format(pairs, **{**self.defaults, **arguments})


_SIZE, _ONNX = ("size", "alpha", "beta", "k"), ("size", "alpha", "beta", "bias")
_CAFFE, _NCNN = ("local_size", "alpha", "beta", "k"), ("local_size", "alpha", "beta", "bias")
_LRN, _N = ("lrnN", "lrnAlpha", "lrnBeta", "lrnK"), ("n", "alpha", "beta", "k")
_TORCH_VALUES = {"size": REQUIRED, "alpha": 1e-4, "beta": 0.75, "k": 1.0}
_ONNX_VALUES = {"size": REQUIRED, "alpha": 1e-4, "beta": 0.75, "bias": 1.0}
_NCNN_VALUES = {"local_size": 5, "alpha": 1.0, "beta": 0.75, "bias": 1.0}
_PAPER = {"n": 5, "k": 2.0, "alpha": 1e-4, "beta": 0.75}
_CAFFE_REGIONS = {0: {"norm_region": "ACROSS_CHANNELS"}, 2: {"norm_region": "WITHIN_CHANNEL"}}
_ONEDNN_WITHIN = {d: {"algorithm": "lrn_within_channel", "ndims": d + 2} for d in (1, 2, 3)}

# fmt: off
_ROWS = (
    Convention(
        "paper", _N, _PAPER, WIDE, divides=False,
        source="Krizhevsky, Sutskever and Hinton, NIPS 2012, section 3.3"),
    Convention(
        "torch", _SIZE, _TORCH_VALUES, LOW, divides=True,
        source="torch.nn.functional.local_response_norm in torch/nn/functional.py",
        call="torch.nn.functional.local_response_norm(x, {})"),
    Convention(
        "tensorflow", ("depth_radius", "alpha", "beta", "bias"),
        {"depth_radius": 5, "bias": 1.0, "alpha": 1.0, "beta": 0.5}, RADIUS, divides=False,
        source="tf.nn.local_response_normalization in tensorflow/core/kernels/lrn_op.cc",
        call="tf.nn.local_response_normalization(x, {})",
        bounds={"depth_radius": (0, math.inf)},
        note="the CUDA kernel needs a depth_radius from 1 to 7, bias >= 1e-5 and beta >= 0.01"),
    Convention(
        "caffe", _CAFFE,
        {"local_size": 5, "alpha": 1.0, "beta": 0.75, "k": 1.0, "norm_region": "ACROSS_CHANNELS"}, ODD,
        divides=True,
        source="LRNParameter in caffe.proto and src/caffe/layers/lrn_layer.cpp",
        call="lrn_param {{ local_size: {local_size} alpha: {alpha} beta: {beta} k: {k} "
        "norm_region: {norm_region} }}",
        regions=_CAFFE_REGIONS,
        note="with WITHIN_CHANNEL its CPU code uses 1 in place of k; this row uses k, as its cuDNN code does"),
    Convention(
        "onnx", _ONNX, _ONNX_VALUES, HIGH, divides=True,
        source="the LRN operator, versions 1 and 13, in onnx/docs/Operators.md",
        call="onnx.helper.make_node('LRN', ['x'], ['y'], {})"),
    Convention(
        "cudnn", _LRN, {"lrnN": 5, "lrnAlpha": 1e-4, "lrnBeta": 0.75, "lrnK": 2.0}, HIGH, divides=True,
        source="cudnnSetLRNDescriptor in cudnn.h",
        call="cudnnSetLRNDescriptor(normDesc, {lrnN}, {lrnAlpha}, {lrnBeta}, {lrnK});",
        bounds={"lrnN": (1, 16), "lrnK": (1e-5, math.inf), "lrnBeta": (0.01, math.inf)},
        note="it divides lrnAlpha, as TensorFlow's cuda_dnn.cc shows, which multiplies it beforehand"),
    Convention(
        "cuda_convnet2", ("size", "scale", "pow", "minDiv"),
        {"size": REQUIRED, "scale": REQUIRED, "pow": REQUIRED, "minDiv": 1.0, "type": "cmrnorm"}, LOW,
        divides=True,
        source="NormLayerParser in layer.py and kFCNorm in cudaconv3/src/conv_util.cu",
        call="type={type} size={size} scale={scale} pow={pow} minDiv={minDiv}",
        bounds={"size": (2, math.inf)},
        regions={0: {"type": "cmrnorm"}, 2: {"type": "rnorm"}},
        note="its parser divides scale, so scale=1e-4 in its AlexNet is not the paper's alpha=1e-4"),
    Convention(
        "tflite", ("radius", "alpha", "beta", "bias"),
        dict.fromkeys(("radius", "bias", "alpha", "beta"), REQUIRED), RADIUS, divides=False,
        source="LocalResponseNormalizationOptions in tensorflow/lite/schema/schema.fbs",
        call="{{ radius: {radius}, bias: {bias}, alpha: {alpha}, beta: {beta} }}",
        bounds={"radius": (0, math.inf)}),
    Convention(
        "torch_cross_map", _SIZE, _TORCH_VALUES, ODD, divides=True,
        source="torch.nn.CrossMapLRN2d in torch/nn/modules/_functions.py",
        call="torch.nn.CrossMapLRN2d({})",
        even="the module sums one channel fewer than it divides by and documents neither",
        note="this row is what it is meant to compute; releases never subtract channel 0 from the running sum"),
    Convention(
        "onnxruntime", _ONNX, _ONNX_VALUES, ODD, divides=True,
        source="the CPU kernel in onnxruntime/core/providers/cpu/nn/lrn.h",
        call="onnx.helper.make_node('LRN', ['x'], ['y'], {})"),
    Convention(
        "onednn", _CAFFE,
        {**dict.fromkeys(("algorithm", "local_size", "alpha", "beta"), REQUIRED), "k": 1.0, "ndims": 4},
        SHORT, divides=True,
        source="oneDNN's src/cpu/ref_lrn.cpp and doc/primitives/lrn.md",
        call="lrn_forward::primitive_desc(engine, kind, algorithm::{algorithm}, src, dst, {local_size}, {alpha}, "
        "{beta}, {k})",
        regions={0: {"algorithm": "lrn_across_channels"}, **_ONEDNN_WITHIN},
        note="ndims is the rank of the source, whose ndims - 2 spatial axes the window spans within a channel"),
    Convention(
        "openvino", _ONNX, {"axes": REQUIRED, "alpha": 1.0, "beta": 0.5, "bias": 1.0, "size": 5}, ODD,
        divides=True,
        source="the LRN-1 operation, docs.openvino.ai, and openvino.opset1.lrn",
        call="openvino.opset1.lrn(x, {})",
        regions={0: {"axes": (1,)}, 1: {"axes": (2,)}, 2: {"axes": (2, 3)}, 3: {"axes": (2, 3, 4)}},
        even="its specification sums size + 1 elements and its CPU plugin size - 1",
        note="its CPU plugin cuts bias down to a whole number"),
    Convention(
        "mxnet", ("nsize", "alpha", "beta", "knorm"),
        {"nsize": REQUIRED, "alpha": 1e-4, "beta": 0.75, "knorm": 2.0}, ODD, divides=True,
        source="LRNParam in src/operator/nn/lrn-inl.h",
        call="mx.nd.LRN(x, {})"),
    Convention(
        "paddle_fluid", _N, {**_PAPER, "k": 1.0}, ODD, divides=False,
        source="fluid.layers.lrn and paddle/fluid/operators/lrn_op.cc",
        call="fluid.layers.lrn(x, {})"),
    Convention(
        "paddle", _SIZE, _TORCH_VALUES, LOW, divides=True,
        source="paddle.nn.functional.local_response_norm in python/paddle/nn/functional/norm.py",
        call="paddle.nn.functional.local_response_norm(x, {})",
        note="its documentation prints alpha where the code divides it"),
    Convention(
        "coreml", _SIZE, _TORCH_VALUES, LOW, divides=True,
        source="local_response_norm in coremltools/converters/mil/mil/ops/defs/iOS15/normalization.py",
        call="mb.local_response_norm(x=x, {})"),
    Convention(
        "ncnn", _NCNN, {"region_type": 0, **_NCNN_VALUES}, ODD, divides=True,
        source="the parameters 0 to 4 of LRN in src/layer/lrn.cpp",
        call="LRN norm 1 1 x y 0={region_type} 1={local_size} 2={alpha} 3={beta} 4={bias}",
        regions={0: {"region_type": 0}, 2: {"region_type": 1}},
        even="its generic build sums local_size + 1 channels and its x86 build local_size"),
    Convention(
        "opencv", _NCNN, {**_NCNN_VALUES, "norm_region": "ACROSS_CHANNELS", "norm_by_size": True}, ODD,
        divides="norm_by_size",
        source="LRNLayer in modules/dnn/src/layers/lrn_layer.cpp",
        regions=_CAFFE_REGIONS),
    Convention(
        "tensorrt", ("window", "alpha", "beta", "k"),
        dict.fromkeys(("window", "alpha", "beta", "k"), REQUIRED), ODD, divides=True,
        source="INetworkDefinition::addLRN and the operator LRN, docs.nvidia.com",
        call="network.add_lrn(x, {})",
        bounds={"window": (1, 15), "alpha": (0.0, 1e20), "beta": (0.01, 1e5), "k": (1e-5, 1e10)},
        note="its formula omits the division of alpha that its own example does"),
    Convention(
        "lasagne", _N, {"alpha": 1e-4, "k": 2.0, "beta": 0.75, "n": 5}, ODD, divides=False,
        source="LocalResponseNormalization2DLayer in lasagne/layers/normalization.py",
        call="LocalResponseNormalization2DLayer(x, {})"),
    Convention(
        "torch7", _SIZE, {**_TORCH_VALUES, "size": 5}, ODD, divides=True,
        source="nn.SpatialCrossMapLRN in SpatialCrossMapLRN.lua",
        call="nn.SpatialCrossMapLRN({size}, {alpha}, {beta}, {k})",
        even="its CPU code pads by half a channel there"),
    Convention(
        "matconvnet", ("N", "alpha", "beta", "kappa"),
        dict.fromkeys(("N", "kappa", "alpha", "beta"), REQUIRED), HIGH, divides=False,
        source="PARAM of vl_nnnormalize in matlab/vl_nnnormalize.m",
        call="vl_nnnormalize(x, [{N} {kappa} {alpha} {beta}])"),
    Convention(
        "miopen", _LRN, dict.fromkeys(("mode", *_LRN), REQUIRED), HIGH, divides=True,
        source="miopenSetLRNDescriptor in miopen.h and src/kernels/MIOpenLRNFwd.cl",
        call="miopenSetLRNDescriptor(lrnDesc, {mode}, {lrnN}, {lrnAlpha}, {lrnBeta}, {lrnK});",
        bounds={"lrnN": (2, math.inf)},
        regions={0: {"mode": "miopenLRNCrossChannel"}, 2: {"mode": "miopenLRNWithinChannel"}},
        note="it ignores lrnAlpha where lrnN is 1"),
    Convention(
        "chainer", _N, _PAPER, ODD, divides=False,
        source="chainer/functions/normalization/local_response_normalization.py",
        call="chainer.functions.local_response_normalization(x, {})",
        even="its CPU code sums n + 1 channels there and its GPU code n"),
    Convention(
        "matlab", ("WindowChannelSize", "Alpha", "Beta", "K"),
        {"WindowChannelSize": REQUIRED, "Alpha": 1e-4, "Beta": 0.75, "K": 2.0}, HIGH, divides=True,
        source="crossChannelNormalizationLayer and crosschannelnorm, mathworks.com/help/deeplearning",
        call="crossChannelNormalizationLayer({WindowChannelSize}, 'Alpha', {Alpha}, 'Beta', {Beta}, 'K', {K})",
        bounds={"WindowChannelSize": (1, 16), "Beta": (0.01, math.inf), "K": (1e-5, math.inf)}),
    Convention(
        "wolfram", ("ChannelWindowSize", "Alpha", "Beta", "Bias"),
        {"Alpha": 1.0, "Beta": 0.5, "Bias": 1.0, "ChannelWindowSize": 2}, RADIUS, divides=True,
        source="LocalResponseNormalizationLayer, reference.wolfram.com",
        call='LocalResponseNormalizationLayer["Alpha" -> {Alpha}, "Beta" -> {Beta}, "Bias" -> {Bias}, '
        '"ChannelWindowSize" -> {ChannelWindowSize}]',
        bounds={"ChannelWindowSize": (0, math.inf)},
        note="ChannelWindowSize is a radius"),
    Convention(
        "apple_mps", ("kernelSize", "alpha", "beta", "delta"),
        {"kernelSize": 5, "alpha": 1.0, "beta": 5.0, "delta": 1.0}, LOW, divides=True,
        source="MPSCNNCrossChannelNormalization in MPSCNN.h of Metal Performance Shaders",
        call="norm = MPSCNNCrossChannelNormalization(device: device, kernelSize: {kernelSize}); "
        "norm.alpha = {alpha}; norm.beta = {beta}; norm.delta = {delta}"),
    Convention(
        "directml", ("LocalSize", "Alpha", "Beta", "Bias"),
        dict.fromkeys(("CrossChannel", "LocalSize", "Alpha", "Beta", "Bias"), REQUIRED), ODD, divides=True,
        source="DML_LOCAL_RESPONSE_NORMALIZATION_OPERATOR_DESC, learn.microsoft.com",
        call="{{ &input, &output, {CrossChannel}, {LocalSize}, {Alpha}f, {Beta}f, {Bias}f }}",
        regions={0: {"CrossChannel": True}},
        even="its documentation does not say which side has the extra channel",
        note="without CrossChannel its documentation does not say what Alpha is divided by, so this row lacks it"),
    Convention(
        "mindspore", ("depth_radius", "alpha", "beta", "bias"),
        {"depth_radius": 5, "bias": 1.0, "alpha": 1.0, "beta": 0.5}, RADIUS, divides=False,
        source="mindspore.ops.lrn, measured with MindSpore 2.8.0 on the CPU",
        call="mindspore.ops.lrn(x, {})",
        bounds={"depth_radius": (0, math.inf)},
        note="its documentation prints alpha / n where its own example and its code take alpha as it is"),
    Convention(
        "tinygrad", _ONNX, _ONNX_VALUES, HIGH, divides=True,
        source="LRN in tinygrad/nn/onnx.py, measured with tinygrad 0.14.0",
        call="onnx.helper.make_node('LRN', ['x'], ['y'], {})"),
    Convention(
        "nnef", _ONNX, {"size": REQUIRED, "alpha": 1.0, "beta": 0.5, "bias": 1.0}, ODD, divides=True,
        source="local_response_normalization in the standard operations of NNEF 1.0, registry.khronos.org/NNEF",
        call="y = local_response_normalization(x, size = {size}, alpha = {alpha}, beta = {beta}, bias = {bias});",
        extents=True, regions={d: {} for d in (0, 1, 2, 3)},
        even="this row leaves open on which side an even extent is padded more"),
    Convention(
        "openvino_grn", ("channels", "alpha", "beta", "bias"), {"bias": REQUIRED, "channels": REQUIRED}, ALL,
        divides=False,
        source="the GRN-1 operation, docs.openvino.ai",
        call="openvino.opset1.grn(x, bias={bias})",
        fixed={"alpha": 1.0, "beta": 0.5},
        note="channels is the number of channels of the input, which the operation reads from it"),
)
# fmt: on

CONVENTIONS: Mapping[str, Convention] = MappingProxyType({row.name: row for row in _ROWS})
ALIASES = {
    "pytorch": "torch",
    "tf": "tensorflow",
    "ort": "onnxruntime",
    "trt": "tensorrt",
    "cv2": "opencv",
    "mkldnn": "onednn",
    "paddlepaddle": "paddle",
    "alexnet": "paper",
    "mathematica": "wolfram",
    "metal": "apple_mps",
    "dml": "directml",
}
"""Other names under which a framework is known."""


def find_convention(framework: str, name: str = "framework") -> Convention:
    """Return the convention of a framework, whose name may be an alias and in capitals.

    Args:
        framework: a name or an alias.
        name: what the error message calls the argument.

    Raises:
        ConversionError: no such framework (a ValueError).

    Example:
        >>> find_convention("TF").name
        'tensorflow'
    """
    key = str(framework).lower().replace("-", "_")
    key = ALIASES.get(key, key)
    if key in CONVENTIONS:
        return CONVENTIONS[key]
    raise ConversionError(
        f"{name} must be one of the conventions, got {framework!r}; {nearest(key, CONVENTIONS)} "
        f"There are {', '.join(CONVENTIONS)}."
    )


def _cell(row: Convention, name: str) -> str:
    """Return a parameter with its default and its bounds, as code."""
    default = f"={row.defaults[name]!r}" if name in row.defaults else ""
    least, most = row.bounds.get(name, (-math.inf, math.inf))
    bounds = f" from {least:g} to {most:g}" if most < math.inf else f" from {least:g}" if least > 0 else ""
    return f"`{name}{default}`{bounds}"


def markdown() -> str:
    """Return the table of conventions and the notes below it, as docs/definition.md holds them."""
    lines = [
        "| name | arguments | even sizes | alpha | within a channel | source |",
        "|---|---|---|---|---|---|",
    ]
    for row in CONVENTIONS.values():
        even = f"error here: {row.even}" if row.even else row.rule.even
        within = "; ".join(
            ", ".join(f"`{name}={value!r}`" for name, value in row.regions[spatial].items())
            for spatial in row.within
        )
        within = f"`{row.roles[0]}=[1, 1, n, n]`, of any rank" if row.extents else within
        parameters = ", ".join(_cell(row, name) for name in row.parameters)
        lines.append(f"| {row.name} | {parameters} | {even} | {row.alpha_rule} | {within} | {row.source} |")
    notes = [f"- {row.name}: {row.note}." for row in CONVENTIONS.values() if row.note]
    return "\n".join([*lines, "", *notes])
