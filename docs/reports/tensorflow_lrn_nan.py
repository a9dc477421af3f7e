"""tf.nn.local_response_normalization makes every channel NaN if one is NaN or infinite.

The CPU kernel (tensorflow/core/kernels/lrn_op.cc) multiplies the squares by a band matrix of ones and zeros,
and 0 * NaN is NaN. With depth_radius 1, channel 2 is in the windows of channels 1 to 3 alone.
"""

import numpy as np
import tensorflow as tf

x = np.ones((1, 1, 1, 8), np.float32)
x[..., 2] = np.nan
y = tf.nn.local_response_normalization(x, depth_radius=1, bias=1.0, alpha=1.0, beta=1.0)

print("tensorflow", tf.__version__)
print("expected", [False, True, True, True, False, False, False, False])
print("got     ", np.isnan(y).ravel().tolist())
