"""TFLite's reference kernel of LRN leaves the last channel out of every window.

In tensorflow/lite/kernels/internal/reference/reference_ops.h the loop ends before `min(depth, c + range)`; it
should end before `min(depth, c + range + 1)`.

LiteRT 2.3.0 does the same: its interpreter is ai_edge_litert.interpreter.Interpreter.
"""

import numpy as np
import tensorflow as tf

x = np.ones((1, 1, 1, 6), np.float32)


@tf.function(input_signature=[tf.TensorSpec(x.shape, tf.float32)])
def normalize(x):
    return tf.nn.local_response_normalization(x, depth_radius=1, bias=1.0, alpha=1.0, beta=1.0)


model = tf.lite.TFLiteConverter.from_concrete_functions([normalize.get_concrete_function()]).convert()
interpreter = tf.lite.Interpreter(
    model_content=model, experimental_op_resolver_type=tf.lite.experimental.OpResolverType.BUILTIN_REF
)
interpreter.allocate_tensors()
interpreter.set_tensor(interpreter.get_input_details()[0]["index"], x)
interpreter.invoke()
y = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])

print("tensorflow", tf.__version__)
print("expected", [round(float(z), 6) for z in normalize(x).numpy().ravel()])
print("got     ", [round(float(z), 6) for z in y.ravel()])
