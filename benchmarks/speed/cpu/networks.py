"""Time AlexNet and GoogLeNet before and after replace_lrn, and a convolution, LRN and convolution chain."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from benchmarks.speed.alexnet_googlenet import PAPER, Norm, alexnet, googlenet
from benchmarks.speed.cpu.comparison import timed
from benchmarks.speed.cpu.results import Row
from benchmarks.speed.rounds import Action
from localnorm.torch import LocalResponseNorm, replace_lrn

WITHOUT, OURS, IN_PLACE, EAGER = "without LRN", "localnorm", "localnorm in place", "torch eager"
SIDES = {"AlexNet": 227, "GoogLeNet": 224}
"""Height and width of the images."""
_BUILDERS: dict[str, Callable[[Norm, int], nn.Sequential]] = {"AlexNet": alexnet, "GoogLeNet": googlenet}
_EQUAL = 1e-5
"""Largest difference of outputs after replace_lrn, relative to the largest output."""


def time_network(name: str, batch: int, divided_by: int, rounds: int) -> Iterator[Row]:
    """Check that the outputs are equal, then time inference and a training step.

    The network without LRN is the upper limit of any LRN's speed.
    """
    x = torch.randn(batch, 3, SIDES[name], SIDES[name])
    networks = _networks(name, divided_by)
    want = inference(networks[EAGER], x)()
    for implementation in (OURS, IN_PLACE):
        apart = float((inference(networks[implementation], x)() - want).abs().max() / want.abs().max())
        if not apart <= _EQUAL:
            raise SystemExit(
                f"{name} with {implementation} differs by {apart:.1e} from torch: not equal, so nothing is timed."
            )
    jobs: dict[str, Action] = {
        implementation: inference(network, x) for implementation, network in networks.items()
    }
    yield from timed("networks", f"{name}, batch of {batch}, inference", f"{name}, inference", jobs, rounds)
    # The in-place layer would overwrite the input that its gradient needs.
    jobs = {
        implementation: _training(network, x)
        for implementation, network in networks.items()
        if implementation != IN_PLACE
    }
    yield from timed("networks", f"{name}, batch of {batch}, training", f"{name}, training", jobs, rounds)


def _networks(name: str, divided_by: int) -> dict[str, nn.Module]:
    """Return one network in four forms, all with the same weights."""
    torch.manual_seed(0)
    build = _BUILDERS[name]
    torchs = build(lambda: nn.LocalResponseNorm(*PAPER), divided_by)
    ours, in_place, without = copy.deepcopy(torchs), copy.deepcopy(torchs), build(nn.Identity, divided_by)
    without.load_state_dict(torchs.state_dict())
    replace_lrn(ours)
    replace_lrn(in_place, inplace=True)
    return {WITHOUT: without, OURS: ours, IN_PLACE: in_place, EAGER: torchs}


def time_chain(shape: tuple[int, int, int, int], rounds: int) -> Iterator[Row]:
    """Time convolution, LRN and convolution, together and each alone.

    Competing thread pools would make the chain slower than the sum.
    """
    x, channels = torch.randn(shape), shape[1]
    first, second = (nn.Conv2d(channels, channels, 3, padding=1) for _ in range(2))
    norm = LocalResponseNorm(*PAPER)
    jobs = {
        "chain": inference(nn.Sequential(first, norm, second), x),
        "first convolution": inference(first, x),
        "LRN": inference(norm, x),
        "second convolution": inference(second, x),
    }
    return timed("networks", f"chain on {'x'.join(map(str, shape))}", "chain", jobs, rounds)


def inference(network: nn.Module, x: Tensor) -> Callable[[], Tensor]:
    """Return a call of the network without gradients."""

    def run() -> Tensor:
        network.eval()
        with torch.inference_mode():
            y: Tensor = network(x)
            return y

    return run


def _training(network: nn.Module, x: Tensor) -> Callable[[], None]:
    """Return a step of training: forward, backward, and stochastic gradient descent with momentum."""
    optimizer = torch.optim.SGD(network.parameters(), 1e-4, momentum=0.9)
    labels = torch.zeros(len(x), dtype=torch.int64)

    def run() -> None:
        network.train()
        optimizer.zero_grad()
        cross_entropy(network(x), labels).backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    return run
