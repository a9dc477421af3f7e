"""OpenCV's LRN loses digits after a large channel, which its window does not hold.

modules/dnn/src/layers/lrn_layer.cpp keeps one running sum over channels. What the square of a large channel
rounds away does not come back when it leaves the window; an infinity or a NaN stays in all that follow.
"""

import cv2
import numpy as np

x = np.full((1, 17, 1, 1), 1.5, np.float32)
x[:, 4] = 1e4
net = cv2.dnn.Net()
net.setInputsNames(["x"])
net.addLayerToPrev("y", "LRN", cv2.CV_32F, {"local_size": 5, "alpha": 1.0, "beta": 1.0, "bias": 1.0})
net.setInput(x)
y = net.forward()

print("opencv", cv2.__version__)
print("expected", round(1.5 / (1 + 0.2 * 5 * 1.5**2), 5))
print("got     ", round(float(y[0, 10, 0, 0]), 5))
