"""A second device without hardware: tensors of the device "fake" compute on the CPU and refuse tensors of the CPU.

torch keeps one dispatch key for devices of other projects. Here a fallback for every operator unwraps the tensors,
runs the operator on the CPU and wraps the results; a tensor of the CPU among its arguments is an error, as on a
GPU, so that a hidden hop between the devices fails. Run it as a program: torch has one such device, for good.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import replace
from typing import Any

import torch
from torch.utils._pytree import tree_any, tree_map
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

from localnorm.lab.norms import find_norm
from localnorm.lab.probes import run_probe
from localnorm.lab.probes.cost import probe_cost
from localnorm.lab.records.record import Probe, Trial
from localnorm.lab.tasks import Split, find_task, task_studies
from localnorm.lab.tasks.subset import at_most
from localnorm.lab.training import trial as trial_module
from localnorm.lab.training.trial import run_trial

NAME = "fake"


class FakeTensor(torch.Tensor):
    """A tensor of the fake device; `inner` holds its values on the CPU."""

    inner: torch.Tensor

    @staticmethod
    def __new__(cls, inner: torch.Tensor) -> FakeTensor:
        made = torch.Tensor._make_wrapper_subclass(
            cls,
            inner.size(),
            strides=inner.stride(),
            storage_offset=inner.storage_offset(),
            dtype=inner.dtype,
            device=torch.device(NAME, 0),
        )
        made.inner = inner
        return made

    def untyped_storage(self) -> torch.UntypedStorage:
        """Return the storage of the values; that of a wrapper has none."""
        return self.inner.untyped_storage()

    __torch_function__ = torch._C._disabled_torch_function_impl

    @classmethod
    def __torch_dispatch__(cls, operator: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(operator, *args, **(kwargs or {}))


def _run(operator: Any, *args: Any, **kwargs: Any) -> Any:
    """Run an operator of the fake device on the CPU."""
    wrappers: dict[int, FakeTensor] = {}
    copies = operator in (torch.ops.aten.copy_.default, torch.ops.aten._to_copy.default)

    def unwrap(value: Any) -> Any:
        if isinstance(value, FakeTensor):
            wrappers[id(value.inner)] = value
            return value.inner
        if isinstance(value, torch.Tensor) and value.ndim and not copies:
            raise RuntimeError(f"{operator} got tensors of two devices, fake and {value.device}")
        if isinstance(value, torch.device):
            return torch.device("cpu")
        return value

    def wrap(value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            return wrappers[id(value)] if id(value) in wrappers else FakeTensor(value)
        return value

    to_cpu = tree_any(lambda v: isinstance(v, torch.device) and v.type == "cpu", kwargs)
    to_cpu = to_cpu or (copies and type(args[0]) is torch.Tensor and "device" not in kwargs)
    inner = operator(*tree_map(unwrap, args), **tree_map(unwrap, kwargs))
    return inner if to_cpu else tree_map(wrap, inner)


def _range(*ends: Any, dtype: torch.dtype | None = None, **_: Any) -> FakeTensor:
    return FakeTensor(torch.arange(*ends, dtype=dtype))


def register() -> None:
    """Make the device known to torch, for this process and for good."""
    _setup_privateuseone_for_python_backend(NAME)
    library = torch.library.Library("_", "IMPL")
    library.fallback(_run, "PrivateUse1")
    # The fallback can't resize a wrapper, as these do in torch.
    ranges = torch.library.Library("aten", "IMPL")
    for overload in ("arange", "arange.start", "arange.start_step"):
        ranges.impl(overload, _range, "PrivateUse1")
    _LIBRARIES.extend((library, ranges))


_LIBRARIES: list[torch.library.Library] = []
"""Kept, because a library that is freed takes its implementations back."""


class _Event:
    """Stands for `torch.Event`, which needs a device that has a clock."""

    def __init__(self, device: str, *, enable_timing: bool) -> None:
        assert (device, enable_timing) == (NAME, True)

    def record(self) -> None:
        """Take the time."""
        self.seconds = time.perf_counter()

    def synchronize(self) -> None:
        """Nothing waits: the fake device has no queue."""

    def elapsed_time(self, end: _Event) -> float:
        """Return milliseconds."""
        return 1000 * (end.seconds - self.seconds)


def _few(name: str, model: str) -> Any:
    """Return a task with forty examples at most of each subset, and a batch that is not full."""

    def load(seed: int) -> Split:
        split = task.load(seed)
        rng = torch.Generator().manual_seed(seed)
        return Split(*(at_most(40, subset, rng) for subset in (split.train, split.validation, split.test)))

    task = find_task(name, model)
    return replace(task, load=load)


def main() -> None:
    """Run every task and probe on both devices and print status, message and results as JSON."""
    register()
    torch.set_num_threads(1)
    trial_module.find_task = _few
    pairs: dict[str, list[Any]] = {}
    for task in task_studies(["all"]):
        trial = task.judged_trial("batch", 0, (1e-3, 32, 1))
        pairs[task.name] = [run_trial(replace(trial, corrupted=False, device=name)) for name in ("cpu", NAME)]
    hop = Trial("digits", "hopping_model:build", "none", 0, 1e-3, 256, 1)
    pairs["hop"] = [run_trial(replace(hop, device=name)) for name in ("cpu", NAME)]
    probe = Probe("flexibility", ("none", "local", "layer"))
    pairs["flexibility"] = [run_probe(replace(probe, device=name)) for name in ("cpu", NAME)]
    torch.Event = _Event
    norms = [find_norm(name) for name in ("none", "local", "batch")]
    costs = [probe_cost(norms, name, rounds=1) for name in ("cpu", NAME)]
    # Times differ; whether each norm was timed and has every measure does not.
    measured = [{norm.name: sorted(cost[norm.name]) for norm in norms} for cost in costs]
    pairs["cost"] = [replace(pairs["hop"][0], results=names) for names in measured]
    content = {
        name: [{"status": r.status, "message": r.message, "results": r.results} for r in pair]
        for name, pair in pairs.items()
    }
    sys.stdout.write(json.dumps(content))


if __name__ == "__main__":
    main()
