"""OpenCV's dnn module: one LRN layer."""

from __future__ import annotations

import numpy as np

from benchmarks.speed.cpu.case import Case, CaseData, Ready


def layer(case: Case, data: CaseData) -> Ready:
    """One layer with its input set beforehand."""
    import cv2

    cv2.setNumThreads(case.threads)
    net = cv2.dnn.Net()
    net.setInputsNames(["x"])
    net.addLayerToPrev("y", "LRN", cv2.CV_32F, case.spec.to_framework("opencv"))
    net.setInput(case.in_memory_order(data.x))
    return Ready(net.forward, lambda: np.asarray(net.forward()))
