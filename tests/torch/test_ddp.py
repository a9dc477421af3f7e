"""Data-parallel training: two processes on gloo, against one that has the whole batch."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import distributed

import ddp_worker

PROCESSES = 2


@pytest.mark.skipif(
    not (distributed.is_available() and distributed.is_gloo_available()), reason="torch has no gloo here"
)
def test_two_processes_find_the_gradients_of_one(tmp_path: Path):
    """They meet by way of a file, and talk over the loopback interface where its name is known."""
    loopback = {"GLOO_SOCKET_IFNAME": "lo"} if Path("/sys/class/net/lo").exists() else {}
    worker = [sys.executable, "-W", "error", ddp_worker.__file__, str(tmp_path)]
    running = [
        subprocess.Popen(
            [*worker, str(rank), str(PROCESSES)],
            env={**os.environ, **loopback},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in range(PROCESSES)
    ]
    try:
        said = [process.communicate(timeout=120)[0] for process in running]
    finally:
        for process in running:
            process.kill()
            process.wait()
    assert [process.returncode for process in running] == [0] * PROCESSES, "\n".join(said)
    assert said == [""] * PROCESSES, "neither process has anything to warn of"

    model = ddp_worker.network()
    ddp_worker.loss(model, ddp_worker.batch()).backward()
    for rank in range(PROCESSES):
        found = torch.load(tmp_path / f"gradients-{rank}.pt")
        assert found.keys() == dict(model.named_parameters()).keys()
        for name, parameter in model.named_parameters():
            # The same terms in float64, some thousands of them, added up in another order: each addition errs by
            # half an epsilon of a sum that is no larger than the largest gradient, give or take cancellation.
            largest = parameter.grad.abs().max().item()
            torch.testing.assert_close(found[name], parameter.grad, rtol=0, atol=1e-12 * max(largest, 1e-3))
