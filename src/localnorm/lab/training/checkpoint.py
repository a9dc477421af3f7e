"""Checkpoints of a running trial: weights, optimizer, random states and progress in one safetensors file."""

from __future__ import annotations

import json
import time
import warnings
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from localnorm.lab.records.provenance import versions
from localnorm.lab.training.optimizers import load_state_tensors, state_tensors

SECONDS = 60.0
"""Time between two checkpoints."""


@dataclass
class Progress:
    """How far a trial has come.

    Attributes:
        epoch: epochs done, with their validation.
        batch: training batches done of the current epoch.
        total: sum of the losses of these batches' examples.
        seen: number of these examples.
        results: results of the epochs done.
        timing: times of the epochs done.
        seconds: wall and processor time before this process.
    """

    epoch: int = 0
    batch: int = 0
    total: float = 0.0
    seen: int = 0
    results: dict[str, Any] = field(default_factory=dict)
    timing: dict[str, Any] = field(default_factory=dict)
    seconds: tuple[float, float] = (0.0, 0.0)


class Checkpoint:
    """The checkpoint of one trial, written every `SECONDS` while it trains.

    A model whose state holds something else than tensors gets none.

    Args:
        path: the file; None for no checkpoints.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._last = time.monotonic()

    def resume(self, model: nn.Module, optimizer: torch.optim.Optimizer, order: torch.Generator) -> Progress:
        """Restore a trial from the file, if there is one; return how far it had come.

        A file that is damaged, or was written with other versions, is ignored with a warning.

        Args:
            model: on its device; gets the weights and buffers.
            optimizer: gets its state.
            order: gets the state from which the current epoch's order of examples is drawn.
        """
        if self._path is None or not self._path.exists():
            return Progress()
        try:
            with safe_open(self._path, framework="pt") as file:
                about = json.loads(file.metadata()["progress"])
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  not a dict
        except (SafetensorError, OSError, KeyError, TypeError, ValueError) as problem:
            _ignored(self._path, f"it is damaged ({problem})")
            return Progress()
        if about.pop("versions") != versions():
            _ignored(self._path, "it was written with other versions")
            return Progress()
        model.load_state_dict(_part(tensors, "model."))
        load_state_tensors(optimizer, _part(tensors, "optimizer."))
        order.set_state(tensors["random.order"])
        torch.set_rng_state(tensors["random.cpu"])
        for device, state in _part(tensors, "random.device.").items():
            torch.get_device_module(device).set_rng_state(state)
        about["seconds"] = tuple(about["seconds"])
        return Progress(**about)

    def due(self) -> bool:
        """Whether the next checkpoint is due."""
        return self._path is not None and time.monotonic() - self._last >= SECONDS

    def write(
        self, progress: Progress, model: nn.Module, optimizer: torch.optim.Optimizer, order: Tensor, device: str
    ) -> None:
        """Write the file, in one step, in place of the last one.

        Args:
            progress: how far the trial has come.
            model: its model.
            optimizer: its optimizer.
            order: the generator's state before the current epoch's order was drawn.
            device: the kind of device trained on.
        """
        state = model.state_dict()
        self._last = time.monotonic()
        if self._path is None or not all(isinstance(value, Tensor) for value in state.values()):
            return
        tensors = {f"model.{name}": value for name, value in state.items()}
        tensors |= {f"optimizer.{name}": value for name, value in state_tensors(optimizer).items()}
        tensors |= {"random.order": order, "random.cpu": torch.get_rng_state()}
        if device in ("cuda", "xpu", "mps"):
            tensors[f"random.device.{device}"] = torch.get_device_module(device).get_rng_state()
        about = json.dumps({**asdict(progress), "versions": versions()})
        self._path.parent.mkdir(parents=True, exist_ok=True)
        part = self._path.with_suffix(".tmp")
        # Copies, because tied weights share memory.
        copies = {name: tensor.detach().cpu().clone().contiguous() for name, tensor in tensors.items()}
        save_file(copies, part, {"progress": about})
        part.replace(self._path)


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _ignored(path: Path, reason: str) -> None:
    warnings.warn(f"the checkpoint {path} is ignored because {reason}: the trial starts anew", stacklevel=3)
