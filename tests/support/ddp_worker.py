"""One process of a data-parallel training step: ``python ddp_worker.py FOLDER RANK PROCESSES``."""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from localnorm.torch import LocalResponseNorm

BATCH = 4


def network() -> nn.Module:
    """Return a small network, the same in every process."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 9, 3),
        nn.ReLU(),
        LocalResponseNorm(4, alpha=0.7),
        nn.Conv2d(9, 7, 3),
        LocalResponseNorm(5, alpha=0.5, k=2.0, learnable=True, per_channel=True, num_channels=7),
        LocalResponseNorm(3, alpha=0.9, learnable=True),
    ).double()


def batch() -> torch.Tensor:
    """Return the whole batch."""
    return torch.randn(BATCH, 3, 8, 7, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def loss(model: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """Return a mean, which is what gradients that are averaged over processes belong to."""
    return model(x).sin().mean()


def main(folder: Path, rank: int, processes: int) -> None:
    """Take one step on this process's part of the batch and save the gradients."""
    torch.set_num_threads(1)
    store = distributed.FileStore(str(folder / "store"), processes)
    distributed.init_process_group(
        "gloo", store=store, rank=rank, world_size=processes, timeout=timedelta(seconds=60)
    )
    try:
        model = DistributedDataParallel(network())
        loss(model, batch().chunk(processes)[rank]).backward()
        torch.save({name: p.grad for name, p in model.module.named_parameters()}, folder / f"gradients-{rank}.pt")
    finally:
        distributed.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
