"""onnx.reference.ReferenceEvaluator normalizes as many channels as there are samples.

In onnx/reference/ops/op_lrn.py the loop is `for c in range(x.shape[0])`; it should be `range(x.shape[1])`.
The other channels are divided by bias ** beta alone.
"""

import numpy as np
import onnx
from onnx import helper
from onnx.reference import ReferenceEvaluator

x = np.ones((1, 6, 1, 1), np.float32)
source, result = (helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, x.shape) for name in "xy")
node = helper.make_node("LRN", ["x"], ["y"], size=3, alpha=3.0, beta=1.0, bias=1.0)
model = helper.make_model(helper.make_graph([node], "lrn", [source], [result]))
y = ReferenceEvaluator(model).run(None, {"x": x})[0]

print("onnx", onnx.__version__)
print("expected", [round(1 / (1 + m), 6) for m in (2, 3, 3, 3, 3, 2)])
print("got     ", [round(float(z), 6) for z in y.ravel()])
