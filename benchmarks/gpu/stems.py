"""Convolution, ReLU, LRN and max-pooling as AlexNet and GoogLeNet begin, before and after replace_lrn."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from benchmarks.cpu.contest import timed
from benchmarks.cpu.results import Record
from benchmarks.models import PAPER, alexnet, googlenet
from benchmarks.rounds import Job
from localnorm.torch import replace_lrn

_BUILDERS = {"AlexNet": (alexnet, 227), "GoogLeNet": (googlenet, 224)}
_EQUAL = 1e-3
"""How far outputs may be apart, in the largest of them: convolutions in TF32 round to 2^-11."""


def time_stems(batch: int, device: str, rounds: int) -> Iterator[Record]:
    """Check that the outputs are equal, and time inference and a backward pass."""
    finish: Job = torch.cuda.synchronize if device != "cpu" else lambda: None
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
            raise SystemExit(f"the stem of {name} is {apart:.1e} from torch's: not equal, so nothing is timed.")
        for measure, prepare in (("inference", _inference), ("forward and backward", _both)):
            jobs = {rival: prepare(network, x) for rival, network in networks.items()}
            contest = f"stem of {name}, batch of {batch}, {measure}"
            yield from timed("gpu", contest, f"{name}, {measure}", jobs, rounds, finish)


def stem(name: str) -> nn.Sequential:
    """Return the layers up to the pooling behind the last LRN."""
    build, _ = _BUILDERS[name]
    torch.manual_seed(0)
    layers = list(build(lambda: nn.LocalResponseNorm(*PAPER)))
    last = max(i for i, layer in enumerate(layers) if isinstance(layer, nn.LocalResponseNorm))
    return nn.Sequential(*layers[: last + 2])


def _inference(network: nn.Module, x: Tensor) -> Callable[[], object]:
    def run() -> object:
        with torch.inference_mode():
            return network(x)

    return run


def _both(network: nn.Module, x: Tensor) -> Callable[[], object]:
    parameters = tuple(network.parameters())

    def run() -> object:
        return torch.autograd.grad(network(x).sum(), parameters)

    return run
