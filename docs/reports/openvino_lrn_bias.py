"""OpenVINO's CPU plugin cuts the fraction of the bias of LRN off.

src/plugins/intel_cpu/src/nodes/lrn.h keeps the bias as `int k`.
"""

import numpy as np
import openvino
from openvino import opset1

x = np.ones((1, 6, 1, 1), np.float32)
source = opset1.parameter(list(x.shape), np.float32)
node = opset1.lrn(source, opset1.constant(np.array([1], np.int64)), alpha=3.0, beta=1.0, bias=1.75, size=3)
model = openvino.Model([node], [source])
y = openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})([x])[0]

print("openvino", openvino.__version__)
print("expected", [round(1 / (1.75 + m), 6) for m in (2, 3, 3, 3, 3, 2)])
print("got     ", [round(float(z), 6) for z in y.ravel()])
