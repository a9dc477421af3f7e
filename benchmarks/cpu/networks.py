"""LRN inside a network: AlexNet and GoogLeNet before and after replace_lrn, and two convolutions around it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from benchmarks.cpu.contest import timed
from benchmarks.cpu.results import Record
from benchmarks.models import PAPER, Norm, alexnet, googlenet
from benchmarks.rounds import Job
from localnorm.torch import LocalResponseNorm, replace_lrn

WITHOUT, OURS, IN_PLACE, EAGER = "without LRN", "localnorm", "localnorm in place", "torch eager"
SIDES = {"AlexNet": 227, "GoogLeNet": 224}
"""Height and width of the images."""
_BUILDERS: dict[str, Callable[[Norm, int], nn.Sequential]] = {"AlexNet": alexnet, "GoogLeNet": googlenet}
_EQUAL = 1e-5
"""How far the outputs may be from those before replace_lrn, in the largest of them: float32 rounds anew in each
layer behind LRN."""


def time_network(name: str, batch: int, divided_by: int, rounds: int) -> Iterator[Record]:
    """Time inference and a step of training, with random weights, and check first that the outputs are equal.

    Without LRN is the limit of what any LRN can reach.
    """
    x = torch.randn(batch, 3, SIDES[name], SIDES[name])
    networks = _networks(name, divided_by)
    want = _inference(networks[EAGER], x)()
    for rival in (OURS, IN_PLACE):
        apart = float((_inference(networks[rival], x)() - want).abs().max() / want.abs().max())
        if not apart <= _EQUAL:
            raise SystemExit(f"{name} with {rival} is {apart:.1e} from torch's: not equal, so nothing is timed.")
    jobs: dict[str, Job] = {rival: _inference(network, x) for rival, network in networks.items()}
    yield from timed("networks", f"{name}, batch of {batch}, inference", f"{name}, inference", jobs, rounds)
    # In place, the gradient would have lost what it needs.
    jobs = {rival: _training(network, x) for rival, network in networks.items() if rival != IN_PLACE}
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


def time_chain(shape: tuple[int, int, int, int], rounds: int) -> Iterator[Record]:
    """Time convolution, LRN and convolution, together and each alone.

    Pools of threads that fight would cost more together.
    """
    x, channels = torch.randn(shape), shape[1]
    first, second = (nn.Conv2d(channels, channels, 3, padding=1) for _ in range(2))
    norm = LocalResponseNorm(*PAPER)
    jobs = {
        "chain": _inference(nn.Sequential(first, norm, second), x),
        "first convolution": _inference(first, x),
        "LRN": _inference(norm, x),
        "second convolution": _inference(second, x),
    }
    return timed("networks", f"chain on {'x'.join(map(str, shape))}", "chain", jobs, rounds)


def _inference(network: nn.Module, x: Tensor) -> Callable[[], Tensor]:
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
