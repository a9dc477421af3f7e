"""Trials and probes on a second device: no hidden hop to the CPU, the same numbers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from localnorm.errors import LabError
from localnorm.lab.measures.select import of_probe
from localnorm.lab.records.record import Probe, Record, Trial, describe, from_json
from localnorm.lab.run.settings import StudySettings, make_study
from localnorm.lab.training import device
from localnorm.lab.training.trial import run_trial

SMALL = Trial("digits", "textbook_cnn", "batch", 0, 3e-3, 256, 1, judged=True, features=True)
SUPPORT = Path(__file__).parents[2] / "support"


@pytest.fixture(scope="module")
def on_both_devices() -> dict[str, list[dict[str, Any]]]:
    """Results of every task and probe on the CPU and on the fake device, from a process of their own."""
    ran = subprocess.run(
        [sys.executable, SUPPORT / "fake_device.py"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
    results: dict[str, list[dict[str, Any]]] = json.loads(ran.stdout.splitlines()[-1])
    return results


@pytest.mark.parametrize(
    "name",
    ["digits", "digit-rows", "digit-tokens", "adding", "digit-scenes", "faces", "style", "flexibility", "cost"],
)
def test_a_second_device_gives_the_results_of_the_cpu(name: str, on_both_devices) -> None:
    cpu, fake = on_both_devices[name]
    assert cpu["status"] == "ok", cpu["message"]
    assert fake["message"] == ""
    if name == "digit-tokens":
        # Attention has an operator for the CPU, and is composed of others elsewhere: float32 rounding apart.
        assert fake["results"]["train_loss"] == pytest.approx(cpu["results"]["train_loss"], rel=1e-5)
        return
    assert fake["results"] == cpu["results"]


def test_a_hidden_hop_to_the_cpu_fails(on_both_devices) -> None:
    """The check that the fake device makes is itself checked: a model that adds a tensor of the CPU."""
    cpu, fake = on_both_devices["hop"]
    assert cpu["status"] == "ok"
    assert fake["status"] == "failed"
    assert "tensors of two devices, fake and cpu" in str(fake["message"])


def test_keys_of_the_cpu_are_those_of_records_without_a_device() -> None:
    assert "device" not in describe(SMALL)
    assert "precision" not in describe(SMALL)
    assert describe(replace(SMALL, device="cuda"))["device"] == "cuda"
    keys = {replace(SMALL, device=d, precision=p).key for d in ("cpu", "cuda") for p in ("32", "bf16-mixed")}
    assert len(keys) == 4
    record = Record(replace(SMALL, device="mps", precision="16-mixed"), "ok")
    assert from_json(record.to_json(), record.job.key) == record


def test_mixed_precision_on_the_cpu() -> None:
    mixed = run_trial(replace(SMALL, precision="bf16-mixed"))
    full = run_trial(SMALL)
    assert (mixed.status, full.status) == ("ok", "ok"), mixed.message
    assert mixed.results["train_loss"] != full.results["train_loss"]
    # The same training with 8 bits instead of 24: close, not equal.
    assert mixed.results["train_loss"][0] == pytest.approx(full.results["train_loss"][0], rel=0.02)
    assert mixed.results["probe_error"] is not None


def test_peak_memory_is_that_of_the_trial() -> None:
    peak = device.reset_peak("cpu")
    before = peak()
    if before is None:
        pytest.skip("no /proc/self/clear_refs that can be written here")
    block = torch.ones(64 * 2**20)
    held = peak()
    assert held is not None
    assert held - before >= 0.9 * block.nbytes
    del block
    again = device.reset_peak("cpu")()
    assert again is not None
    assert again < held - 0.5 * 2**28
    assert run_trial(SMALL).timing["peak_bytes"] > 2**26


def test_probes_of_two_devices_are_not_mixed() -> None:
    records = [Record(Probe("cost", ("none", "local"), name), "ok", name) for name in ("cpu", "cuda")]
    assert {r.message for r in of_probe(records, "cost", ("none", "local"), "cuda").values()} == {"cuda"}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"device": "cuda"},
            r"device must be one that this machine and torch .* have, got cuda, here are cpu; pass",
        ),
        ({"device": "gpu"}, r"device must be auto or cpu or cuda or mps or xpu, got 'gpu'; pass one of these"),
        ({"precision": "16-mixed"}, "precision must be 32 or bf16-mixed on cpu, got 16-mixed"),
        ({"precision": "64"}, "precision must be 32 or bf16-mixed or 16-mixed, got '64'"),
        ({"device": "cuda", "engine": "ray"}, "must come with GPUs reserved for each worker, got none"),
    ],
)
@pytest.mark.skipif(device.available() != ("cpu",), reason="an accelerator is here")
def test_refused_before_any_work(settings: dict[str, str], message: str) -> None:
    with pytest.raises(LabError, match=message):
        make_study(StudySettings(**settings))


def test_settings_reach_every_trial_and_probe() -> None:
    study = make_study(StudySettings(task="digit-rows", device="auto", precision="bf16-mixed"))
    assert {trial.precision for trial in study.pilot_trials(study.tasks[0])} == {"bf16-mixed"}
    assert study.device == device.available()[0]
    ray = make_study(StudySettings(task="digits", device="cuda", engine="ray", gpus_per_worker=0.5))
    task = ray.tasks[0]
    assert {t.device for t in (*ray.pilot_trials(task), task.judged_trial("none", 0, (1e-3, 32, 1)))} == {"cuda"}
    assert {p.device for p in ray.probes() if p.name != "scope"} == {"cuda"}


def test_deterministic_settings_are_restored() -> None:
    before = torch.are_deterministic_algorithms_enabled(), torch.get_float32_matmul_precision()
    with device.deterministic("cuda"):
        assert torch.are_deterministic_algorithms_enabled()
        assert torch.is_deterministic_algorithms_warn_only_enabled()
        assert not torch.backends.cudnn.allow_tf32
    assert before == (torch.are_deterministic_algorithms_enabled(), torch.get_float32_matmul_precision())
    assert torch.backends.cudnn.allow_tf32
