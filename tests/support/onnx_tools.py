"""Exporting to ONNX, reading what came out and running it, as the tests of it share it."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx.helper import get_attribute_value

from conformance import Array

# torch copies its own deprecated class while it exports.
torchs_own_warning = pytest.mark.filterwarnings("ignore:.*LeafSpec.*is deprecated:FutureWarning")


def exported(module: torch.nn.Module, x: torch.Tensor, *, any_batch: bool = False) -> onnx.ModelProto:
    """Call ``torch.onnx.export`` as anyone would, and have ONNX check the outcome."""
    shapes = ({0: torch.export.Dim.DYNAMIC},) if any_batch else None
    program = torch.onnx.export(module.eval(), (x,), dynamo=True, dynamic_shapes=shapes, verbose=False)
    onnx.checker.check_model(program.model_proto, full_check=True)
    return program.model_proto


def native_nodes(model: onnx.ModelProto) -> list[dict[str, float]]:
    """Return the attributes of every LRN node of ONNX's own."""
    nodes = [node for node in model.graph.node if node.op_type == "LRN"]
    assert all(node.domain == "" for node in nodes)
    return [{a.name: get_attribute_value(a) for a in node.attribute} for node in nodes]


def _openvino(model: onnx.ModelProto, x: Array) -> Array:
    import openvino

    core = openvino.Core()
    # Without the hint, OpenVINO uses bfloat16 on processors that have it.
    compiled = core.compile_model(
        core.read_model(model.SerializeToString()), "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
    )
    return np.asarray(compiled([x])[0])


def _opencv(model: onnx.ModelProto, x: Array) -> Array:
    import cv2

    net = cv2.dnn.readNetFromONNX(np.frombuffer(model.SerializeToString(), np.uint8))
    net.setInput(x)
    return np.asarray(net.forward())


RUNTIMES = {
    "onnxruntime": lambda model, x: run(model, torch.from_numpy(x)),
    "OpenVINO": _openvino,
    "OpenCV": _opencv,
}


def run(model: onnx.ModelProto, x: torch.Tensor) -> Array:
    """Run a model of one input and one output in onnxruntime."""
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (y,) = session.run(None, {session.get_inputs()[0].name: x.numpy()})
    return np.asarray(y)
