"""The GPU benchmark without a GPU: it says so and stops, and all but the device runs on a CPU."""

from __future__ import annotations

import pytest
import torch
from benchmarks.speed.cpu.baselines import EAGER
from benchmarks.speed.gpu.__main__ import described, main, measured
from benchmarks.speed.gpu.cases import GpuExtent, of_bandwidth


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_says_so():
    with pytest.raises(SystemExit, match=r"needs a CUDA GPU.*finds none here; run make bench for the CPU"):
        main([])


def test_everything_runs_but_for_the_device():
    tiny = GpuExtent(2, ((2, 8, 6, 5),), ("float32",), baselines=(EAGER,), device="cpu", batch=1)
    records = list(measured(tiny))
    assert {record["implementation"] for record in records} == {"copy", "relu", "localnorm", "torch eager"}
    assert {record["layout"] for record in records if "layout" in record} == {"NCHW", "NHWC"}
    assert all(record.get("accurate", True) for record in records)
    assert all("% of the bandwidth" in described(record) for record in records if "copies" in record)
    stems = {record["measure"] for record in records if record["comparison"].startswith("stem of")}
    assert stems == {
        f"{net}, {what}" for net in ("AlexNet", "GoogLeNet") for what in ("inference", "forward and backward")
    }


def test_bandwidth_counts_what_has_to_be_moved():
    assert of_bandwidth({"copies": 2.0, "measure": "forward"}) == 0.5
    assert of_bandwidth({"copies": 5.0, "measure": "forward and backward"}) == 0.5
    assert of_bandwidth({"measure": "forward"}) is None
