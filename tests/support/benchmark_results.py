"""Minimal made-up results of the CPU benchmark."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path
from typing import Any

from benchmarks.speed.cpu.targets import BETAS, MAIN, SMALLEST

FIRST = {
    "versions": {"python": "3.0", "torch": "9.0"},
    "processor": "Abacus (TM) 2",
    "cores": 2,
    "threads": 2,
    "commit": "0123456789ab",
    "date": "2001-02-03",
}
# Milliseconds of each implementation by shape and beta, the same in all; a copy takes 1.
FORWARD = {
    "copy": 1.0,
    "relu": 2.0,
    "localnorm": 2.0,
    "localnorm in place": 1.5,
    "localnorm NumPy, out=": 1.6,
    "torch eager": 60.0,
    "torch.compile of torch.nn.functional.local_response_norm": 5.0,
    "torch.compile of the formula with slices": 9.0,
    "OpenVINO": 2.4,
    "onnxruntime": 32.0,
}
LAST = {"copy": 1.0, "localnorm": 2.5, "TensorFlow eager": 15.0, "TensorFlow XLA": 20.0}
BOTH = {"localnorm": 4.0, "torch eager": 120.0, "torch.compile of torch.nn.functional.local_response_norm": 28.0}


def record(part: str, comparison: str, implementation: str, took: float, **more: Any) -> dict[str, Any]:
    """Return a record of two rounds."""
    head = {
        "part": part,
        "comparison": comparison,
        "started": "now",
        "measure": "forward",
        "implementation": implementation,
    }
    tensor = {"layout": "NCHW", "dtype": "float32", "size": 5, "beta": 0.75, "threads": 2, "copies": took}
    tensor |= {"output": "fresh"}
    return {**head, **tensor, "milliseconds": [took, took], **more}


def records() -> list[dict[str, Any]]:
    """Return results of every part."""
    found = []
    both = "forward and backward"
    for shape, beta in [*product(MAIN, BETAS), (SMALLEST, BETAS[0])]:
        comparison, where = f"{shape}, beta {beta}", {"shape": shape, "beta": beta}
        found += [
            record("forward", comparison, implementation, took, **where)
            for implementation, took in FORWARD.items()
        ]
        found += [
            record("forward", comparison, implementation, took, **where, layout="NHWC")
            for implementation, took in LAST.items()
        ]
        found += [
            record("backward", comparison, implementation, took, **where, measure=both)
            for implementation, took in BOTH.items()
        ]
        found += [
            record("windows", comparison, "localnorm", took, **where, size=n) for n, took in ((5, 2.0), (65, 2.8))
        ]
        found += [
            record("dtypes", comparison, "localnorm", took, **where, dtype=dtype)
            for dtype, took in (("float32", 2.0), ("bfloat16", 1.8), ("float16", 1.9))
        ]
    for implementation, took in (("localnorm", 0.025), ("torch eager", 0.1)):
        found.append(record("call", "1x4x1x1", implementation, took, shape="1x4x1x1"))
    found.append(record("start", "first result", "localnorm", 700.0))
    found.append(record("memory", "kept", "localnorm", 1.0, inputs=1.0))
    for implementation, took in (("without LRN", 96.0), ("localnorm", 100.0), ("torch eager", 192.0)):
        found.append(
            record(
                "networks", "AlexNet, batch of 16, inference", implementation, took, measure="AlexNet, inference"
            )
        )
    for implementation, took in (
        ("chain", 21.0),
        ("first convolution", 9.0),
        ("LRN", 2.0),
        ("second convolution", 9.0),
    ):
        found.append(record("networks", "chain", implementation, took, measure="chain"))
    return found


def write(path: Path, given: list[dict[str, Any]]) -> Path:
    """Write a file of results."""
    path.write_text("".join(json.dumps(line) + "\n" for line in (FIRST, *given)), encoding="utf-8")
    return path
