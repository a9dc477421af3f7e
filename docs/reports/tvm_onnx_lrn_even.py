"""TVM refuses an ONNX LRN of even size.

ONNX: an even window has its extra channel above. The importer (tvm/relax/frontend/onnx) pads both sides alike
before its average pooling, so that the sums have one channel more than the input.
"""

import numpy as np
import onnx
import tvm
from onnx import helper
from tvm import relax
from tvm.relax.frontend.onnx import from_onnx

x = np.ones((1, 6, 1, 1), np.float32)
source, result = (helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, x.shape) for name in "xy")
node = helper.make_node("LRN", ["x"], ["y"], size=4, alpha=4.0, beta=1.0, bias=1.0)
graph = helper.make_graph([node], "lrn", [source], [result])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
try:
    module = relax.transform.LegalizeOps()(from_onnx(model))
    machine = relax.VirtualMachine(tvm.compile(module, target="llvm"), tvm.cpu())
    got = [round(float(z), 6) for z in machine["main"](tvm.runtime.tensor(x)).numpy().ravel()]
except ValueError as problem:
    got = "the first " + str(problem).rpartition("the first ")[2]

print("tvm", tvm.__version__)
print("expected", [round(1 / (1 + m), 6) for m in (3, 4, 4, 4, 3, 2)])
print("got     ", got)
