"""Released implementations of LRN, each as one function of an array (N, C, H, W) and its arguments.

An implementation is imported when it runs. Used by the tests and by ``python -m benchmarks.released``.
"""

from __future__ import annotations

import importlib
import os
import tempfile
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from localnorm import LRNSpec

Array = NDArray[np.floating[Any]]
Arguments = Mapping[str, Any]
Run = Callable[[Array, Arguments], Array]

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


@dataclass(frozen=True)
class Released:
    """One implementation.

    Attributes:
        name: its name in tests and on the page.
        packages: the distributions that may hold it; the first one installed counts.
        modules: the modules that it needs.
        convention: the row of the table of conventions whose arguments it takes.
        run: maps the input, always (N, C, H, W), and the arguments to the output in the same layout.
    """

    name: str
    packages: tuple[str, ...]
    modules: tuple[str, ...]
    convention: str
    run: Run

    @property
    def version(self) -> str:
        """The installed version, empty if none is."""
        for package in self.packages:
            try:
                return version(package)
            except PackageNotFoundError:
                continue
        return ""

    def __call__(self, x: Array, spec: LRNSpec) -> Array:
        """Return the output for a spec, through the conversion of the convention."""
        return self.run(x, spec.to_framework(self.convention))


def _torch(x: Array, arguments: Arguments) -> Array:
    import torch

    return torch.nn.functional.local_response_norm(torch.from_numpy(x), **arguments).numpy()


def _cross_map(x: Array, arguments: Arguments) -> Array:
    import torch

    y: Array = torch.nn.CrossMapLRN2d(**arguments)(torch.from_numpy(x)).numpy()
    return y


def _channels_last(x: Array) -> Array:
    return np.ascontiguousarray(np.moveaxis(x, 1, -1))


def _tensorflow(x: Array, arguments: Arguments) -> Array:
    import tensorflow as tf

    # An array would silently become float32.
    tensor = tf.constant(_channels_last(x))
    return np.moveaxis(tf.nn.local_response_normalization(tensor, **arguments).numpy(), -1, 1)


def _tflite(resolver: str, package: str = "tensorflow.lite") -> Run:
    """Return the runtime of a package, which reads what TensorFlow converts."""

    def run(x: Array, arguments: Arguments) -> Array:
        import tensorflow as tf

        runtime: Any = tf.lite if package == "tensorflow.lite" else importlib.import_module(package)
        resolvers: Any = getattr(runtime, "experimental", runtime).OpResolverType
        renamed: dict[str, Any] = dict(arguments)
        renamed["depth_radius"] = renamed.pop("radius")
        last = _channels_last(x)
        traced = tf.function(lambda a: tf.nn.local_response_normalization(a, **renamed))
        signature = traced.get_concrete_function(tf.TensorSpec(last.shape, tf.float32))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # warns that the interpreter will move to another package
            interpreter: Any = runtime.Interpreter(
                model_content=tf.lite.TFLiteConverter.from_concrete_functions([signature]).convert(),
                experimental_op_resolver_type=resolvers[resolver],
            )
        interpreter.allocate_tensors()
        ends: Any = (*interpreter.get_input_details(), *interpreter.get_output_details())
        interpreter.set_tensor(ends[0]["index"], last)
        interpreter.invoke()
        return np.moveaxis(interpreter.get_tensor(ends[1]["index"]), -1, 1)

    return run


def onnx_model(x: Array, arguments: Arguments) -> Any:  # noqa: ANN401  onnx has no types
    """Return an ONNX model of one LRN node for inputs like x."""
    from onnx import helper

    kind: int = helper.np_dtype_to_tensor_dtype(x.dtype)
    source, result = (helper.make_tensor_value_info(name, kind, x.shape) for name in "xy")
    node = helper.make_node("LRN", ["x"], ["y"], **arguments)
    graph = helper.make_graph([node], "lrn", [source], [result])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


def _onnx_reference(x: Array, arguments: Arguments) -> Array:
    from onnx.reference import ReferenceEvaluator

    outputs: Any = ReferenceEvaluator(onnx_model(x, arguments)).run(None, {"x": x})
    return np.asarray(outputs[0])


def _onnxruntime(x: Array, arguments: Arguments) -> Array:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(onnx_model(x, arguments).SerializeToString(), options)
    y: Array = session.run(None, {"x": x})[0]
    return y


def _run_openvino(model: Any, x: Array) -> Array:  # noqa: ANN401
    import openvino

    # Without the hint, OpenVINO uses bfloat16 on processors that have it.
    compiled = openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    y: Array = compiled([x])[0]
    return y


def _openvino(x: Array, arguments: Arguments) -> Array:
    import openvino
    from openvino import opset1

    parameter = opset1.parameter(list(x.shape), x.dtype.type, name="x")
    rest = dict(arguments)
    axes = opset1.constant(np.array(rest.pop("axes"), np.int64))
    return _run_openvino(openvino.Model([opset1.lrn(parameter, axes, **rest)], [parameter]), x)


def _from_file(suffix: str, content: bytes, load: Callable[[str], Any]) -> Any:  # noqa: ANN401
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"lrn{suffix}"
        path.write_bytes(content)
        return load(str(path))


def _tensorflow_graph(x: Array, arguments: Arguments) -> bytes:
    """Return a frozen TensorFlow graph of one LRN for inputs like x with channels last."""
    import tensorflow as tf

    graph = tf.Graph()
    with graph.as_default():
        placeholder = tf.compat.v1.placeholder(tf.float32, _channels_last(x).shape, name="x")
        tf.nn.local_response_normalization(placeholder, **arguments, name="y")
    content: bytes = graph.as_graph_def().SerializeToString()
    return content


def _openvino_tensorflow(x: Array, arguments: Arguments) -> Array:
    import openvino

    model = _from_file(".pb", _tensorflow_graph(x, arguments), openvino.Core().read_model)
    return np.moveaxis(_run_openvino(model, _channels_last(x)), -1, 1)


def _openvino_onnx(x: Array, arguments: Arguments) -> Array:
    import openvino

    content = onnx_model(x, arguments).SerializeToString()
    return _run_openvino(_from_file(".onnx", content, openvino.Core().read_model), x)


def _opencv(x: Array, arguments: Arguments) -> Array:
    import cv2

    net = cv2.dnn.Net()
    net.setInputsNames(["x"])
    net.addLayerToPrev("y", "LRN", cv2.CV_32F, dict(arguments))
    net.setInput(x)
    return np.asarray(net.forward(), np.float32)


def _opencv_onnx(x: Array, arguments: Arguments) -> Array:
    import cv2

    content = onnx_model(x, arguments).SerializeToString()
    net = cv2.dnn.readNetFromONNX(np.frombuffer(content, np.uint8))
    net.setInput(x)
    return np.asarray(net.forward(), np.float32)


def _tvm(x: Array, arguments: Arguments) -> Array:
    import tvm
    from tvm import relax
    from tvm.relax.frontend.onnx import from_onnx

    module = relax.transform.LegalizeOps()(from_onnx(onnx_model(x, arguments)))
    machine = relax.VirtualMachine(tvm.compile(module, target="llvm"), tvm.cpu())
    y: Array = machine["main"](tvm.runtime.tensor(x)).numpy()
    return y


def _mxnet(x: Array, arguments: Arguments) -> Array:
    import mxnet

    y: Array = mxnet.nd.LRN(mxnet.nd.array(x, dtype=x.dtype), **arguments).asnumpy()
    return y


def _ncnn(x: Array, arguments: Arguments) -> Array:
    import ncnn

    net = ncnn.Net()
    net.opt.num_threads = 1
    net.opt.use_fp16_storage = net.opt.use_fp16_arithmetic = net.opt.use_fp16_packed = False
    values = {"region_type": 0, **arguments}
    names = ("region_type", "local_size", "alpha", "beta", "bias")
    numbers = " ".join(f"{place}={values[name]}" for place, name in enumerate(names))
    net.load_param_mem(f"7767517\n2 2\nInput x 0 1 x\nLRN norm 1 1 x y {numbers}\n")
    _from_file(".bin", b"", net.load_model)
    outputs = []
    for sample in x:
        extractor = net.create_extractor()
        extractor.input("x", ncnn.Mat(np.ascontiguousarray(sample)).clone())
        outputs.append(np.array(extractor.extract("y")[1]))
    return np.stack(outputs)


_TENSORFLOW = ("tensorflow", "tensorflow-cpu")
_LITERT = ("ai-edge-litert",)
_LITERT_MODULES = ("ai_edge_litert.interpreter", "tensorflow")
_OPENCV = ("opencv-python-headless", "opencv-python")

RELEASED = {
    released.name: released
    for released in (
        Released("torch functional", ("torch",), ("torch",), "torch", _torch),
        Released("torch CrossMapLRN2d", ("torch",), ("torch",), "torch_cross_map", _cross_map),
        Released("TensorFlow", _TENSORFLOW, ("tensorflow",), "tensorflow", _tensorflow),
        Released("TFLite", _TENSORFLOW, ("tensorflow",), "tflite", _tflite("AUTO")),
        Released("TFLite reference kernels", _TENSORFLOW, ("tensorflow",), "tflite", _tflite("BUILTIN_REF")),
        Released("LiteRT", _LITERT, _LITERT_MODULES, "tflite", _tflite("AUTO", _LITERT_MODULES[0])),
        Released(
            "LiteRT reference kernels",
            _LITERT,
            _LITERT_MODULES,
            "tflite",
            _tflite("BUILTIN_REF", _LITERT_MODULES[0]),
        ),
        Released("onnx ReferenceEvaluator", ("onnx",), ("onnx",), "onnx", _onnx_reference),
        Released("onnxruntime", ("onnxruntime",), ("onnxruntime", "onnx"), "onnxruntime", _onnxruntime),
        Released("OpenVINO", ("openvino",), ("openvino",), "openvino", _openvino),
        Released(
            "OpenVINO from TensorFlow",
            ("openvino",),
            ("openvino", "tensorflow"),
            "tensorflow",
            _openvino_tensorflow,
        ),
        Released("OpenVINO from ONNX", ("openvino",), ("openvino", "onnx"), "onnx", _openvino_onnx),
        Released("OpenCV", _OPENCV, ("cv2",), "opencv", _opencv),
        Released("OpenCV from ONNX", _OPENCV, ("cv2", "onnx"), "onnx", _opencv_onnx),
        Released("ncnn", ("ncnn",), ("ncnn",), "ncnn", _ncnn),
        Released("TVM from ONNX", ("apache-tvm",), ("tvm", "onnx"), "onnx", _tvm),
        Released("MXNet", ("mxnet",), ("mxnet",), "mxnet", _mxnet),
    )
}
"""Every implementation by its name."""
