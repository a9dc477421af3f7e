"""onnxruntime's LRN: one node, its input and output bound to memory that is there already."""

from __future__ import annotations

import numpy as np

from benchmarks.cpu.case import Array, Case, Given, Ready


def bound(case: Case, numbers: Given) -> Ready:
    """One LRN node by I/O binding."""
    import onnxruntime

    from benchmarks.frameworks import onnx_model

    x = case.in_memory_order(numbers.x)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = case.threads
    options.inter_op_num_threads = 1
    # Its threads would go on spinning while the next rival is timed.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    model = onnx_model(x, case.spec.to_onnxruntime()).SerializeToString()
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
