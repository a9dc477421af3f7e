"""Time the first layers of AlexNet and GoogLeNet, up to the last LRN, before and after replace_lrn."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from benchmarks.speed.alexnet_googlenet import PAPER, alexnet, googlenet
from benchmarks.speed.cpu.comparison import timed
from benchmarks.speed.cpu.networks import inference
from benchmarks.speed.cpu.results import Row
from benchmarks.speed.rounds import Action
from localnorm.torch import replace_lrn

_BUILDERS = {"AlexNet": (alexnet, 227), "GoogLeNet": (googlenet, 224)}
_EQUAL = 1e-3
"""Largest difference of outputs, relative to the largest output: TF32 convolutions round to 2^-11."""


def time_stems(batch: int, device: str, rounds: int) -> Iterator[Row]:
    """Check that the outputs are equal, and time inference and a backward pass."""
    finish: Action = torch.cuda.synchronize if device != "cpu" else lambda: None
    for name, (_, side) in _BUILDERS.items():
        x = torch.randn(batch, 3, side, side, device=device)
        before = stem(name).to(device)
        after = copy.deepcopy(before)
        replace_lrn(after)
        networks = {"localnorm": after, "torch eager": before}
        with torch.no_grad():
            want = before(x)
            apart = float((after(x) - want).abs().max() / want.abs().max())
        if not apart <= _EQUAL:
            raise SystemExit(
                f"the stem of {name} differs by {apart:.1e} from torch's: not equal, so nothing is timed."
            )
        for measure, prepare in (("inference", inference), ("forward and backward", _both)):
            jobs = {implementation: prepare(network, x) for implementation, network in networks.items()}
            comparison = f"stem of {name}, batch of {batch}, {measure}"
            yield from timed("gpu", comparison, f"{name}, {measure}", jobs, rounds, finish)


def stem(name: str) -> nn.Sequential:
    """Return the layers up to the pooling after the last LRN."""
    build, _ = _BUILDERS[name]
    torch.manual_seed(0)
    layers = list(build(lambda: nn.LocalResponseNorm(*PAPER)))
    last = max(i for i, layer in enumerate(layers) if isinstance(layer, nn.LocalResponseNorm))
    return nn.Sequential(*layers[: last + 2])


def _both(network: nn.Module, x: Tensor) -> Callable[[], object]:
    parameters = tuple(network.parameters())

    def run() -> object:
        return torch.autograd.grad(network(x).sum(), parameters)

    return run
