"""onnxruntime's LRN loses digits after a large channel, which its window does not hold.

The CPU kernel (onnxruntime/core/providers/cpu/nn/lrn.cc) keeps one running sum over channels. What the square
of a large channel rounds away does not come back when it leaves the window; an infinity or a NaN stays in all
that follow.
"""

import numpy as np
import onnx
import onnxruntime
from onnx import helper

x = np.full((1, 17, 1, 1), 1.5, np.float32)
x[:, 4] = 1e4
source, result = (helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, x.shape) for name in "xy")
node = helper.make_node("LRN", ["x"], ["y"], size=5, alpha=1.0, beta=1.0, bias=1.0)
graph = helper.make_graph([node], "lrn", [source], [result])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
y = session.run(None, {"x": x})[0]

print("onnxruntime", onnxruntime.__version__)
print("expected", round(1.5 / (1 + 0.2 * 5 * 1.5**2), 5))
print("got     ", round(float(y[0, 10, 0, 0]), 5))
