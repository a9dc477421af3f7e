"""Device and precision of training: Fabric on cpu, cuda, mps or xpu, deterministic algorithms, peak memory."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from lightning_fabric.accelerators.accelerator import Accelerator
from lightning_fabric.plugins import MixedPrecision
from lightning_fabric.strategies.single_device import SingleDeviceStrategy
from torch import Tensor, nn
from torch.utils._pytree import tree_map_only

from localnorm.errors import LabError
from localnorm.lab.study.training_config import CPU, DEVICES, FULL

_KNOWN_TO_FABRIC = ("cpu", "cuda", "mps")
_MEMORY_PER_WORKER = 2 * 2**30
"""Bytes of an accelerator for each worker: its context takes about half a gigabyte, the rest is for a model."""


def available() -> tuple[str, ...]:
    """Return the devices that this machine and this build of torch have, accelerators first.

    Example:
        >>> available()[-1]
        'cpu'
    """
    here = {
        "cuda": torch.cuda.is_available(),
        "xpu": torch.xpu.is_available(),
        "mps": torch.backends.mps.is_available(),
    }
    return (*(name for name, is_here in here.items() if is_here), CPU)


def resolve(device: str, precision: str) -> str:
    """Return the device to train on; ``auto`` is the first that `available` lists.

    Args:
        device: one of `DEVICES`.
        precision: one of `PRECISIONS`.

    Raises:
        LabError: this machine lacks the device, or the device lacks the precision.

    Example:
        >>> resolve("cpu", "bf16-mixed")
        'cpu'
    """
    here = available()
    chosen = here[0] if device == DEVICES[0] else device
    if chosen not in here:
        raise LabError(
            f"device must be one that this machine and torch {torch.__version__} have, got {device}, here are "
            f"{', '.join(here)}; pass --device {here[0]}, or install a build of torch for {device}."
        )
    check_precision(chosen, precision)
    return chosen


def check_precision(device: str, precision: str) -> None:
    """Refuse a precision that a device of this machine lacks.

    Raises:
        LabError: float16 on a CPU, or bfloat16 on a GPU without it.
    """
    if precision == "16-mixed" and device == CPU:
        raise LabError(
            "precision must be 32 or bf16-mixed on cpu, got 16-mixed: torch has no float16 autocast with loss "
            "scaling there; pass bf16-mixed, or another --device."
        )
    if precision == "bf16-mixed" and device == "cuda" and not torch.cuda.is_bf16_supported():
        raise LabError(
            f"precision must be 32 or 16-mixed on {torch.cuda.get_device_name()}, got bf16-mixed, which it lacks; "
            "pass 16-mixed."
        )


def most_workers(device: str, wanted: int) -> int:
    """Return how many workers share one accelerator by default: as many as wanted, 2 GiB of its memory each.

    Example:
        >>> most_workers("cpu", 16)
        16
    """
    if device not in ("cuda", "xpu"):
        return wanted
    total: int = torch.get_device_module(device).get_device_properties(0).total_memory
    return max(1, min(wanted, total // _MEMORY_PER_WORKER))


def device_name(device: str) -> str:
    """Return the model of a device, for records and the report.

    Example:
        >>> device_name("cpu")
        'cpu'
    """
    if device in ("cuda", "xpu"):
        return str(torch.get_device_module(device).get_device_name())
    return f"{platform.processor()} {device}".strip() if device == "mps" else device


def _accelerator(name: str) -> Accelerator:
    """Return a Fabric accelerator for a device of torch that Fabric has no class for."""

    # Fabric calls static methods of the class, so that the name can't be an attribute of the object.
    class TorchDevice(Accelerator):
        def setup_device(self, device: torch.device) -> None: ...

        def teardown(self) -> None: ...

        @staticmethod
        def parse_devices(devices: Any) -> int:  # noqa: ANN401  Fabric's signature
            return int(devices)

        @staticmethod
        def get_parallel_devices(devices: int) -> list[torch.device]:
            return [torch.device(name)] * devices

        @staticmethod
        def auto_device_count() -> int:
            return 1

        @staticmethod
        def is_available() -> bool:
            return True

        @staticmethod
        def name() -> str:
            return name

    return TorchDevice()


def make_fabric(device: str, precision: str) -> Fabric:
    """Return a Fabric on one device.

    Example:
        >>> make_fabric("cpu", "32").device
        device(type='cpu')
    """
    if device in _KNOWN_TO_FABRIC:
        return Fabric(accelerator=device, devices=1, precision="32-true" if precision == FULL else precision)  # type: ignore[arg-type]
    plugin = None if precision == FULL else MixedPrecision(precision, device)  # type: ignore[arg-type]
    strategy = SingleDeviceStrategy(torch.device(device))
    return Fabric(accelerator=_accelerator(device), strategy=strategy, devices=1, plugins=plugin)


@contextmanager
def deterministic(device: str) -> Iterator[None]:
    """Ask torch for deterministic algorithms and float32 products without TF32 on an accelerator.

    What has no deterministic algorithm there runs all the same, so that two runs may differ in the last digits. On
    the CPU nothing is changed: one thread gives the same digits on every run.
    """
    if device == CPU:
        yield
        return
    before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    convolutions, products = torch.backends.cudnn.allow_tf32, torch.get_float32_matmul_precision()
    # cuBLAS reads it when it starts, in the first trial of a worker.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    with ExitStack() as restored:
        restored.callback(torch.use_deterministic_algorithms, before[0], warn_only=before[1])
        restored.callback(setattr, torch.backends.cudnn, "allow_tf32", convolutions)
        restored.callback(torch.set_float32_matmul_precision, products)
        torch.use_deterministic_algorithms(True, warn_only=True)
        torch.backends.cudnn.allow_tf32 = False
        torch.set_float32_matmul_precision("highest")
        yield


class FromCPU(nn.Module):
    """A model on any device that takes tensors of the CPU and returns its outputs there.

    So metrics and measures, user-defined ones included, see tensors of the CPU only.

    Example:
        >>> FromCPU(nn.Linear(3, 2), "cpu")(torch.ones(4, 3)).device
        device(type='cpu')
    """

    def __init__(self, model: nn.Module, device: str) -> None:
        super().__init__()
        self.model, self.device = model, device

    def forward(self, inputs: Tensor) -> Any:  # noqa: ANN401  what the model returns
        """Return the model's outputs, tensors in them moved to the CPU."""
        return tree_map_only(Tensor, Tensor.cpu, self.model(inputs.to(self.device)))


def from_cpu(model: nn.Module, device: str) -> nn.Module:
    """Return a model that takes tensors of the CPU; on the CPU the model itself."""
    return model if device == CPU else FromCPU(model, device)


def reset_peak(device: str) -> Callable[[], int | None]:
    """Start to measure peak memory; the function returned gives its bytes, None where the system can't tell.

    On cuda and xpu the memory of torch's tensors; on the CPU, under Linux, that of this process.

    Example:
        >>> peak = reset_peak("cpu")
        >>> peak() is None or peak() > 2**20
        True
    """
    if device in ("cuda", "xpu"):
        module = torch.get_device_module(device)
        module.reset_peak_memory_stats()
        return lambda: int(module.max_memory_allocated())
    status = Path("/proc/self/status")
    if device != CPU or not status.exists():
        return lambda: None
    try:
        # Writing 5 resets the peak of the resident memory, see proc(5).
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return lambda: None

    def peak() -> int | None:
        lines = status.read_text(encoding="ascii", errors="replace").splitlines()
        kilobytes = [line.split()[1] for line in lines if line.startswith("VmHWM:")]
        return 1024 * int(kilobytes[0]) if kilobytes else None

    return peak
