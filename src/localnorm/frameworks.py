"""What each framework means by LRN: one row a framework, from its source or its documentation.

To add a framework, add a row to ``CONVENTIONS`` and name it in ``LRNSpec`` (two lines there).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType

from localnorm.conventions import HIGH, LOW, ODD, RADIUS, SHORT, WIDE, Convention

_SIZE = ("size", "alpha", "beta", "k")
_ONNX = ("size", "alpha", "beta", "bias")
_CAFFE = ("local_size", "alpha", "beta", "k")
_LRN = ("lrnN", "lrnAlpha", "lrnBeta", "lrnK")
_PAPER = {"n": 5, "k": 2.0, "alpha": 1e-4, "beta": 0.75}
_TORCH = {"alpha": 1e-4, "beta": 0.75, "k": 1.0}
_ONNX_DEFAULTS = {"alpha": 1e-4, "beta": 0.75, "bias": 1.0}
_PROTOTXT = "local_size: {local_size} alpha: {alpha} beta: {beta} k: {k} norm_region: {norm_region}"
_CAFFE_REGIONS = {0: {"norm_region": "ACROSS_CHANNELS"}, 2: {"norm_region": "WITHIN_CHANNEL"}}

_ROWS = (
    Convention(
        "paper",
        ("n", "alpha", "beta", "k"),
        ("n", "k", "alpha", "beta"),
        _PAPER,
        WIDE,
        mean=False,
        source="Krizhevsky, Sutskever and Hinton, NIPS 2012, section 3.3",
    ),
    Convention(
        "torch",
        _SIZE,
        _SIZE,
        _TORCH,
        LOW,
        mean=True,
        source="torch.nn.functional.local_response_norm in torch/nn/functional.py",
        call="torch.nn.functional.local_response_norm(x, {})",
    ),
    Convention(
        "tensorflow",
        ("depth_radius", "alpha", "beta", "bias"),
        ("depth_radius", "bias", "alpha", "beta"),
        {"depth_radius": 5, "bias": 1.0, "alpha": 1.0, "beta": 0.5},
        RADIUS,
        mean=False,
        source="tf.nn.local_response_normalization in tensorflow/core/kernels/lrn_op.cc",
        bounds={"depth_radius": (0, math.inf)},
        note="the CUDA kernel needs a depth_radius from 1 to 7, bias >= 1e-5 and beta >= 0.01",
        call="tf.nn.local_response_normalization(x, {})",
    ),
    Convention(
        "caffe",
        _CAFFE,
        (*_CAFFE, "norm_region"),
        {"local_size": 5, "alpha": 1.0, "beta": 0.75, "k": 1.0, "norm_region": "ACROSS_CHANNELS"},
        ODD,
        mean=True,
        source="LRNParameter in caffe.proto and src/caffe/layers/lrn_layer.cpp",
        regions=_CAFFE_REGIONS,
        note="WITHIN_CHANNEL, its CPU code ignores k and adds 1; this row means k, as its cuDNN path does",
        call=f"lrn_param {{{{ {_PROTOTXT} }}}}",
    ),
    Convention(
        "onnx",
        _ONNX,
        _ONNX,
        _ONNX_DEFAULTS,
        HIGH,
        mean=True,
        source="the LRN operator, versions 1 and 13, in onnx/docs/Operators.md",
        call="onnx.helper.make_node('LRN', ['x'], ['y'], {})",
    ),
    Convention(
        "cudnn",
        _LRN,
        _LRN,
        {"lrnN": 5, "lrnAlpha": 1e-4, "lrnBeta": 0.75, "lrnK": 2.0},
        HIGH,
        mean=True,
        source="cudnnSetLRNDescriptor in cudnn.h",
        bounds={"lrnN": (1, 16), "lrnK": (1e-5, math.inf), "lrnBeta": (0.01, math.inf)},
        note="that it divides lrnAlpha is read in TensorFlow's cuda_dnn.cc, which multiplies it beforehand",
        call="cudnnSetLRNDescriptor(normDesc, {lrnN}, {lrnAlpha}, {lrnBeta}, {lrnK});",
    ),
    Convention(
        "cuda_convnet2",
        ("size", "scale", "pow", "minDiv"),
        ("size", "scale", "pow", "minDiv", "type"),
        {"minDiv": 1.0, "type": "cmrnorm"},
        LOW,
        mean=True,
        source="NormLayerParser in layer.py and kFCNorm in cudaconv3/src/conv_util.cu",
        bounds={"size": (2, math.inf)},
        regions={0: {"type": "cmrnorm"}, 2: {"type": "rnorm"}},
        note="its parser divides scale, so scale=1e-4 in its AlexNet is not the paper's alpha=1e-4",
        call="type={type} size={size} scale={scale} pow={pow} minDiv={minDiv}",
    ),
    Convention(
        "tflite",
        ("radius", "alpha", "beta", "bias"),
        ("radius", "bias", "alpha", "beta"),
        {},
        RADIUS,
        mean=False,
        source="LocalResponseNormalizationOptions in tensorflow/lite/schema/schema.fbs",
        bounds={"radius": (0, math.inf)},
        call="{{ radius: {radius}, bias: {bias}, alpha: {alpha}, beta: {beta} }}",
    ),
    Convention(
        "torch_cross_map",
        _SIZE,
        _SIZE,
        _TORCH,
        ODD,
        mean=True,
        source="torch.nn.CrossMapLRN2d in torch/nn/modules/_functions.py",
        even="the module sums one channel fewer than it divides by and documents neither",
        note="its meaning, not what releases compute: they never subtract channel 0",
        call="torch.nn.CrossMapLRN2d({})",
    ),
    Convention(
        "onnxruntime",
        _ONNX,
        _ONNX,
        _ONNX_DEFAULTS,
        ODD,
        mean=True,
        source="the CPU kernel in onnxruntime/core/providers/cpu/nn/lrn.h",
        call="onnx.helper.make_node('LRN', ['x'], ['y'], {})",
    ),
    Convention(
        "onednn",
        _CAFFE,
        ("algorithm", *_CAFFE, "ndims"),
        {"k": 1.0, "ndims": 4},
        SHORT,
        mean=True,
        source="oneDNN's src/cpu/ref_lrn.cpp and doc/primitives/lrn.md",
        regions={
            0: {"algorithm": "lrn_across_channels"},
            **{d: {"algorithm": "lrn_within_channel", "ndims": d + 2} for d in (1, 2, 3)},
        },
        note="ndims is the rank of the source, whose ndims - 2 spatial axes the window spans within a channel",
        call="lrn_forward::primitive_desc(engine, kind, algorithm::{algorithm}, src, dst, {local_size}, {alpha}, "
        "{beta}, {k})",
    ),
    Convention(
        "openvino",
        _ONNX,
        ("axes", "alpha", "beta", "bias", "size"),
        {"alpha": 1.0, "beta": 0.5, "bias": 1.0, "size": 5},
        ODD,
        mean=True,
        source="the LRN-1 operation, docs.openvino.ai, and openvino.opset1.lrn",
        regions={0: {"axes": (1,)}, 1: {"axes": (2,)}, 2: {"axes": (2, 3)}, 3: {"axes": (2, 3, 4)}},
        even="its specification sums size + 1 elements and its CPU plugin size - 1",
        note="its CPU plugin cuts bias down to a whole number",
        call="openvino.opset1.lrn(x, {})",
    ),
    Convention(
        "mxnet",
        ("nsize", "alpha", "beta", "knorm"),
        ("nsize", "alpha", "beta", "knorm"),
        {"alpha": 1e-4, "beta": 0.75, "knorm": 2.0},
        ODD,
        mean=True,
        source="LRNParam in src/operator/nn/lrn-inl.h",
        call="mx.nd.LRN(x, {})",
    ),
    Convention(
        "paddle_fluid",
        ("n", "alpha", "beta", "k"),
        ("n", "k", "alpha", "beta"),
        {**_PAPER, "k": 1.0},
        ODD,
        mean=False,
        source="fluid.layers.lrn and paddle/fluid/operators/lrn_op.cc",
        call="fluid.layers.lrn(x, {})",
    ),
    Convention(
        "paddle",
        _SIZE,
        _SIZE,
        _TORCH,
        LOW,
        mean=True,
        source="paddle.nn.functional.local_response_norm in python/paddle/nn/functional/norm.py",
        note="its documentation prints alpha where the code divides it",
        call="paddle.nn.functional.local_response_norm(x, {})",
    ),
    Convention(
        "coreml",
        _SIZE,
        _SIZE,
        _TORCH,
        LOW,
        mean=True,
        source="local_response_norm in coremltools/converters/mil/mil/ops/defs/iOS15/normalization.py",
        call="mb.local_response_norm(x=x, {})",
    ),
    Convention(
        "ncnn",
        ("local_size", "alpha", "beta", "bias"),
        ("region_type", "local_size", "alpha", "beta", "bias"),
        {"region_type": 0, "local_size": 5, "alpha": 1.0, "beta": 0.75, "bias": 1.0},
        ODD,
        mean=True,
        source="the parameters 0 to 4 of LRN in src/layer/lrn.cpp",
        regions={0: {"region_type": 0}, 2: {"region_type": 1}},
        even="its generic build sums local_size + 1 channels and its x86 build local_size",
        call="LRN norm 1 1 x y 0={region_type} 1={local_size} 2={alpha} 3={beta} 4={bias}",
    ),
    Convention(
        "opencv",
        ("local_size", "alpha", "beta", "bias"),
        ("local_size", "alpha", "beta", "bias", "norm_region", "norm_by_size"),
        {
            "local_size": 5,
            "alpha": 1.0,
            "beta": 0.75,
            "bias": 1.0,
            "norm_region": "ACROSS_CHANNELS",
            "norm_by_size": True,
        },
        ODD,
        mean="norm_by_size",
        source="LRNLayer in modules/dnn/src/layers/lrn_layer.cpp",
        regions=_CAFFE_REGIONS,
    ),
    Convention(
        "tensorrt",
        ("window", "alpha", "beta", "k"),
        ("window", "alpha", "beta", "k"),
        {},
        ODD,
        mean=True,
        source="INetworkDefinition::addLRN and the operator LRN, docs.nvidia.com",
        bounds={"window": (1, 15), "alpha": (0.0, 1e20), "beta": (0.01, 1e5), "k": (1e-5, 1e10)},
        note="its formula omits the division of alpha that its own example does",
        call="network.add_lrn(x, {})",
    ),
    Convention(
        "lasagne",
        ("n", "alpha", "beta", "k"),
        ("alpha", "k", "beta", "n"),
        _PAPER,
        ODD,
        mean=False,
        source="LocalResponseNormalization2DLayer in lasagne/layers/normalization.py",
        call="LocalResponseNormalization2DLayer(x, {})",
    ),
    Convention(
        "torch7",
        _SIZE,
        _SIZE,
        {"size": 5, **_TORCH},
        ODD,
        mean=True,
        source="nn.SpatialCrossMapLRN in SpatialCrossMapLRN.lua",
        even="its CPU code pads by half a channel there",
        call="nn.SpatialCrossMapLRN({size}, {alpha}, {beta}, {k})",
    ),
    Convention(
        "matconvnet",
        ("N", "alpha", "beta", "kappa"),
        ("N", "kappa", "alpha", "beta"),
        {},
        HIGH,
        mean=False,
        source="PARAM of vl_nnnormalize in matlab/vl_nnnormalize.m",
        call="vl_nnnormalize(x, [{N} {kappa} {alpha} {beta}])",
    ),
    Convention(
        "miopen",
        _LRN,
        ("mode", *_LRN),
        {},
        HIGH,
        mean=True,
        source="miopenSetLRNDescriptor in miopen.h and src/kernels/MIOpenLRNFwd.cl",
        bounds={"lrnN": (2, math.inf)},
        regions={0: {"mode": "miopenLRNCrossChannel"}, 2: {"mode": "miopenLRNWithinChannel"}},
        note="it ignores lrnAlpha where lrnN is 1",
        call="miopenSetLRNDescriptor(lrnDesc, {mode}, {lrnN}, {lrnAlpha}, {lrnBeta}, {lrnK});",
    ),
    Convention(
        "chainer",
        ("n", "alpha", "beta", "k"),
        ("n", "k", "alpha", "beta"),
        _PAPER,
        ODD,
        mean=False,
        source="chainer/functions/normalization/local_response_normalization.py",
        even="its CPU code sums n + 1 channels there and its GPU code n",
        call="chainer.functions.local_response_normalization(x, {})",
    ),
)

CONVENTIONS: Mapping[str, Convention] = MappingProxyType({row.name: row for row in _ROWS})


def _cell(row: Convention, name: str) -> str:
    """Return an argument with its default and its bounds, as code."""
    default = f"={row.defaults[name]!r}" if name in row.defaults else ""
    least, most = row.bounds.get(name, (-math.inf, math.inf))
    bounds = f" from {least:g} to {most:g}" if most < math.inf else f" from {least:g}" if least > 0 else ""
    return f"`{name}{default}`{bounds}"


def markdown() -> str:
    """Return the table of conventions, and the notes on it, as they stand in docs/definition.md."""
    lines = [
        "| name | arguments | even sizes | alpha | within a channel | source |",
        "|---|---|---|---|---|---|",
    ]
    for row in CONVENTIONS.values():
        even = f"refused here: {row.even}" if row.even else row.rule.even
        within = "; ".join(
            ", ".join(f"`{name}={value!r}`" for name, value in row.regions[spatial].items())
            for spatial in row.within
        )
        cells = (", ".join(_cell(row, name) for name in row.order), even, row.alpha_rule, within, row.source)
        lines.append(f"| {row.name} | {' | '.join(cells)} |")
    notes = [f"- {row.name}: {row.note}." for row in CONVENTIONS.values() if row.note]
    return "\n".join([*lines, "", *notes])
