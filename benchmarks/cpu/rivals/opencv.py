"""OpenCV's dnn module: one LRN layer."""

from __future__ import annotations

import numpy as np

from benchmarks.cpu.case import Case, Given, Ready


def layer(case: Case, numbers: Given) -> Ready:
    """One layer, its input set before."""
    import cv2

    cv2.setNumThreads(case.threads)
    net = cv2.dnn.Net()
    net.setInputsNames(["x"])
    net.addLayerToPrev("y", "LRN", cv2.CV_32F, dict(case.spec.to_opencv()))
    net.setInput(case.in_memory_order(numbers.x))
    return Ready(net.forward, lambda: np.asarray(net.forward()))
