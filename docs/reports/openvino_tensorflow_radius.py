"""OpenVINO reads an odd depth_radius of TensorFlow's LRN as the radius below.

src/frontends/tensorflow_common/src/op/lrn.cpp computes the size as `(depth_radius - 1) * 2 + 1` for an odd
radius; it is `2 * depth_radius + 1`.
"""

import tempfile
from pathlib import Path

import numpy as np
import openvino
import tensorflow as tf

x = np.ones((1, 1, 1, 6), np.float32)
graph = tf.Graph()
with graph.as_default():
    source = tf.compat.v1.placeholder(tf.float32, x.shape, name="x")
    tf.nn.local_response_normalization(source, depth_radius=1, bias=1.0, alpha=1.0, beta=1.0, name="y")
with tempfile.TemporaryDirectory() as folder:
    file = Path(folder) / "lrn.pb"
    file.write_bytes(graph.as_graph_def().SerializeToString())
    model = openvino.Core().read_model(file)
y = openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})([x])[0]

print("openvino", openvino.__version__)
print("expected", [round(1 / (1 + m), 6) for m in (2, 3, 3, 3, 3, 2)])
print("got     ", [round(float(z), 6) for z in y.ravel()])
