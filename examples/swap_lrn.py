"""Replace the LRN layers of a PyTorch model, compare outputs and time, and restore them.

    python examples/swap_lrn.py

No other change to the model is needed. For a trained AlexNet or GoogLeNet, load it instead of building one.
"""

from __future__ import annotations

import time
from typing import cast

import torch
from torch import Tensor, nn

from localnorm.torch import replace_lrn, restore_lrn


def build_model() -> nn.Module:
    """Return the first layers of AlexNet."""
    return nn.Sequential(
        nn.Conv2d(3, 96, 11, stride=4),
        nn.ReLU(),
        nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=2.0),
        nn.MaxPool2d(3, stride=2),
        nn.Conv2d(96, 256, 5, padding=2),
        nn.ReLU(),
        nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=2.0),
        nn.MaxPool2d(3, stride=2),
    ).eval()


@torch.no_grad()
def run(model: nn.Module, images: Tensor) -> tuple[Tensor, float]:
    """Return the model's output and the least time of three runs in milliseconds."""
    times = []
    for _ in range(3):
        start = time.perf_counter()
        output = cast("Tensor", model(images))
        times.append(1000 * (time.perf_counter() - start))
    return output, min(times)


def main() -> None:
    """Print what is replaced, and outputs and times before and after."""
    torch.manual_seed(0)
    model, images = build_model(), torch.randn(4, 3, 227, 227)
    before, slow = run(model, images)
    print(replace_lrn(model))
    after, fast = run(model, images)
    print(f"largest output {before.abs().max():.3g}, changed by at most {(after - before).abs().max():.1g}")
    print(f"{slow:.0f} ms before, {fast:.0f} ms after")
    print(restore_lrn(model).summary)
    print("restored exactly:", torch.equal(run(model, images)[0], before))


if __name__ == "__main__":
    main()
