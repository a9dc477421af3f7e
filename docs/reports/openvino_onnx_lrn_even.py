"""OpenVINO reads an ONNX LRN of even size as the odd size below.

ONNX: an even window has its extra channel above. The frontend (src/frontends/onnx/frontend/src/op/lrn.cpp)
passes the size on as it is, and the CPU plugin sums (size - 1) // 2 channels to both sides: 3 of 4.
"""

import numpy as np
import onnx
import openvino
from onnx import helper

x = np.ones((1, 6, 1, 1), np.float32)
source, result = (helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, x.shape) for name in "xy")
node = helper.make_node("LRN", ["x"], ["y"], size=4, alpha=4.0, beta=1.0, bias=1.0)
graph = helper.make_graph([node], "lrn", [source], [result])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
core = openvino.Core()
compiled = core.compile_model(
    core.read_model(model.SerializeToString()), "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
)
y = compiled([x])[0]

print("openvino", openvino.__version__)
print("expected", [round(1 / (1 + m), 6) for m in (3, 4, 4, 4, 3, 2)])
print("got     ", [round(float(z), 6) for z in y.ravel()])
