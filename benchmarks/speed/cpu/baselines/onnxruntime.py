"""onnxruntime: one LRN node, its input and output bound to existing memory."""

from __future__ import annotations

import numpy as np

from benchmarks.speed.cpu.case import Array, Case, CaseData, Ready


def bound(case: Case, data: CaseData) -> Ready:
    """One LRN node by I/O binding."""
    import onnxruntime

    from benchmarks.released.implementations import onnx_model

    x = case.in_memory_order(data.x)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = case.threads
    options.inter_op_num_threads = 1
    # Its threads would keep spinning while the next implementation is timed.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    model = onnx_model(x, case.spec.to_framework("onnxruntime")).SerializeToString()
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    binding = session.io_binding()
    source, target = (onnxruntime.OrtValue.ortvalue_from_numpy(a) for a in (x, np.empty_like(x)))
    binding.bind_ortvalue_input("x", source)
    binding.bind_ortvalue_output("y", target)

    def result() -> Array:
        session.run_with_iobinding(binding)
        array: Array = target.numpy()
        return array

    return Ready(lambda: session.run_with_iobinding(binding), result)
