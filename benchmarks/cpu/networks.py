"""LRN inside a network: AlexNet with and without it, and two convolutions around it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from benchmarks.cpu.contest import timed
from benchmarks.cpu.results import Record
from localnorm.torch import LocalResponseNorm

PAPER = (5, 5e-4, 0.75, 2.0)
"""The paper's size, alpha, beta and k; its alpha of 1e-4 multiplies the sum, torch's the mean."""
WITHOUT = "without LRN"
Norm = Callable[[], nn.Module]
NORMS: dict[str, Norm] = {
    WITHOUT: nn.Identity,
    "localnorm": lambda: LocalResponseNorm(*PAPER),
    "localnorm in place": lambda: LocalResponseNorm(*PAPER, inplace=True),
    "torch eager": lambda: nn.LocalResponseNorm(*PAPER),
}


def alexnet(norm: Norm, divided_by: int = 1) -> nn.Sequential:
    """Return the network of Krizhevsky, Sutskever and Hinton (2012), its grouped convolutions too.

    Args:
        norm: makes what stands behind the first and the second convolution.
        divided_by: of the channels; 1 is the paper's network.
    """
    c1, c2, c3, full, classes = (width // divided_by for width in (96, 256, 384, 4096, 1000))
    return nn.Sequential(
        *(nn.Conv2d(3, c1, 11, stride=4), nn.ReLU(inplace=True), norm(), nn.MaxPool2d(3, 2)),
        *(nn.Conv2d(c1, c2, 5, padding=2, groups=2), nn.ReLU(inplace=True), norm(), nn.MaxPool2d(3, 2)),
        *(nn.Conv2d(c2, c3, 3, padding=1), nn.ReLU(inplace=True)),
        *(nn.Conv2d(c3, c3, 3, padding=1, groups=2), nn.ReLU(inplace=True)),
        *(nn.Conv2d(c3, c2, 3, padding=1, groups=2), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2)),
        *(nn.Flatten(), nn.Linear(c2 * 36, full), nn.ReLU(inplace=True)),
        *(nn.Linear(full, full), nn.ReLU(inplace=True), nn.Linear(full, classes)),
    ).eval()


def time_alexnet(batch: int, divided_by: int, rounds: int) -> Iterator[Record]:
    """Time inference with random weights, with each norm and without."""
    x = torch.randn(batch, 3, 227, 227)
    networks = {name: alexnet(norm, divided_by) for name, norm in NORMS.items()}
    jobs = {name: _inference(network, x) for name, network in networks.items()}
    return timed("networks", f"AlexNet, batch of {batch}", "AlexNet", jobs, rounds)


def time_chain(shape: tuple[int, int, int, int], rounds: int) -> Iterator[Record]:
    """Time convolution, LRN and convolution, together and each alone.

    Pools of threads that fight would cost more together.
    """
    x, channels = torch.randn(shape), shape[1]
    first, second = (nn.Conv2d(channels, channels, 3, padding=1) for _ in range(2))
    norm = NORMS["localnorm"]()
    jobs = {
        "chain": _inference(nn.Sequential(first, norm, second), x),
        "first convolution": _inference(first, x),
        "LRN": _inference(norm, x),
        "second convolution": _inference(second, x),
    }
    return timed("networks", f"chain on {'x'.join(map(str, shape))}", "chain", jobs, rounds)


def _inference(network: nn.Module, x: Tensor) -> Callable[[], Tensor]:
    def run() -> Tensor:
        with torch.inference_mode():
            y: Tensor = network(x)
            return y

    return run
