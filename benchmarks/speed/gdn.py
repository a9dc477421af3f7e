"""GDN beside CompressAI's formulation: ``python -m benchmarks.speed.gdn``.

One image of 192 channels and 256x256 in float32. The rival is the formula as CompressAI computes it, by a
convolution with gamma, and the same compiled by torch.compile. All run in turn in each round; printed are medians,
and the bytes that each keeps for the backward pass beside its parameters.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import cast

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.nn import functional

from localnorm.torch import GDN

SHAPE = (1, 192, 256, 256)


class Convolution(nn.Module):
    """GDN as CompressAI computes it; the parameters without their reparametrization."""

    def __init__(self, like: GDN) -> None:
        super().__init__()
        self.beta = nn.Parameter(like.beta.detach().clone())
        self.gamma = nn.Parameter(like.gamma.detach().clone())

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x * rsqrt(conv(x^2, gamma) + beta)``."""
        norm = functional.conv2d(x**2, self.gamma[:, :, None, None], self.beta)
        return x * torch.rsqrt(norm)


def kept_bytes(module: nn.Module, x: Tensor) -> int:
    """Return the bytes of distinct memory kept for the backward pass, without parameters."""
    kept: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with saved_tensors_hooks(pack, lambda tensor: tensor):
        y = module(x)
    for parameter in module.parameters():
        kept.pop(parameter.untyped_storage().data_ptr(), None)
    del y
    return sum(kept.values())


def both_passes(module: nn.Module, x: Tensor, grad: Tensor) -> None:
    """Run forward and backward."""
    module(x).backward(grad)


def seconds(run: Callable[[], object]) -> float:
    """Return how long a call takes."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def main() -> None:
    """Check the results against float64, then time."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_args().rounds
    torch.manual_seed(0)
    ours = GDN(SHAPE[1])
    with torch.no_grad():
        ours.beta.uniform_(0.5, 2)
        ours.gamma.uniform_(0, 0.05)
    theirs = Convolution(ours)
    compiled = cast("nn.Module", torch.compile(theirs))
    modules = {"localnorm": ours, "convolution": theirs, "convolution, torch.compile": compiled}
    x = torch.randn(SHAPE)
    exact = Convolution(ours).double()(x.double()).detach()
    g = torch.randn(SHAPE)
    print(
        f"torch {torch.__version__}, {os.cpu_count()} cores, {platform.processor() or platform.machine()}, {SHAPE}"
    )
    forward: dict[str, list[float]] = {name: [] for name in modules}
    both: dict[str, list[float]] = {name: [] for name in modules}
    for number in range(rounds + 1):
        for name, module in modules.items():
            with torch.no_grad():
                one = seconds(partial(module, x))
            leaf = x.clone().requires_grad_()
            two = seconds(partial(both_passes, module, leaf, g))
            if number:  # the first round warms up
                forward[name].append(one)
                both[name].append(two)
    for name, module in modules.items():
        with torch.no_grad():
            error = ((module(x).double() - exact).abs() / exact.abs().clamp(min=1e-3)).max().item()
        kept = kept_bytes(module, x.clone().requires_grad_()) / x.nbytes if "compile" not in name else float("nan")
        times = f"{1e3 * statistics.median(forward[name]):8.0f} ms {1e3 * statistics.median(both[name]):8.0f} ms"
        print(f"{name:28} forward and both passes {times}; error {error:.1e}; kept {kept:.2f} inputs")


if __name__ == "__main__":
    main()
