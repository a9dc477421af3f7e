"""tf.nn.local_response_normalization loses digits after a large channel if there are more than 384.

For beta 0.5 and 1 and more than 384 channels the CPU kernel (tensorflow/core/kernels/lrn_op.cc) keeps one
running sum. What the square of a large channel rounds away does not come back when it leaves the window.
"""

import numpy as np
import tensorflow as tf

x = np.full((1, 1, 1, 385), 1.5, np.float32)
x[..., 4] = 1e4
y = tf.nn.local_response_normalization(x, depth_radius=2, bias=1.0, alpha=0.2, beta=1.0)

print("tensorflow", tf.__version__)
print("expected", round(1.5 / (1 + 0.2 * 5 * 1.5**2), 5))
print("got     ", round(float(y[0, 0, 0, 100]), 5))
