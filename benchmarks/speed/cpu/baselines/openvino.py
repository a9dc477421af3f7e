"""OpenVINO: LRN on its CPU plugin, with input and output in existing memory."""

from __future__ import annotations

import numpy as np

from benchmarks.speed.cpu.case import Array, Case, CaseData, Ready

_PRECISION = {"float32": "f32", "bfloat16": "bf16", "float16": "f16"}


def shared(case: Case, data: CaseData) -> Ready:
    """One LRN operation, in the precision of its input."""
    import openvino
    from openvino import opset1

    kind = getattr(openvino.Type, _PRECISION[case.dtype])
    arguments = case.spec.to_framework("openvino")
    axes = opset1.constant(np.array(arguments.pop("axes"), np.int64))
    parameter = opset1.parameter(list(case.shape), kind, name="x")
    model = openvino.Model([opset1.lrn(parameter, axes, **arguments)], [parameter])
    settings = {
        "INFERENCE_PRECISION_HINT": _PRECISION[case.dtype],
        "INFERENCE_NUM_THREADS": case.threads,
        "NUM_STREAMS": 1,
        "PERFORMANCE_HINT": "LATENCY",
    }
    compiled = openvino.Core().compile_model(model, "CPU", settings)
    request = compiled.create_infer_request()
    x = case.in_memory_order(data.x)
    out = np.empty_like(x)
    request.set_input_tensor(_tensor(x, kind))
    request.set_output_tensor(_tensor(out, kind))

    # The request does not keep its memory alive.
    def run(_kept: object = (compiled, x, out)) -> None:
        request.infer(share_outputs=True)

    def result() -> Array:
        run()
        return out

    return Ready(run, result)


def _tensor(array: Array, kind: object) -> object:
    import openvino

    if array.dtype.name != "bfloat16":
        return openvino.Tensor(array, shared_memory=True)
    return openvino.Tensor(array.view(np.int16), list(array.shape), kind)
