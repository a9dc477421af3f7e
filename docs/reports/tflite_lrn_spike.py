"""TFLite's LRN loses digits after a large channel, which its window does not hold.

The optimized kernel keeps one running sum over channels. What the square of a large channel rounds away does
not come back when it leaves the window.

LiteRT 2.3.0 does the same: its interpreter is ai_edge_litert.interpreter.Interpreter.
"""

import numpy as np
import tensorflow as tf

x = np.full((1, 1, 1, 17), 1.5, np.float32)
x[..., 4] = 1e4


@tf.function(input_signature=[tf.TensorSpec(x.shape, tf.float32)])
def normalize(x):
    return tf.nn.local_response_normalization(x, depth_radius=2, bias=1.0, alpha=0.2, beta=1.0)


model = tf.lite.TFLiteConverter.from_concrete_functions([normalize.get_concrete_function()]).convert()
interpreter = tf.lite.Interpreter(
    model_content=model, experimental_op_resolver_type=tf.lite.experimental.OpResolverType.AUTO
)
interpreter.allocate_tensors()
interpreter.set_tensor(interpreter.get_input_details()[0]["index"], x)
interpreter.invoke()
y = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])

print("tensorflow", tf.__version__)
print("expected", round(1.5 / (1 + 0.2 * 5 * 1.5**2), 5))
print("got     ", round(float(y[0, 0, 0, 10]), 5))
