"""Compare a user-defined norm with those of the lab in a small study.

    python examples/custom_norm.py

Runs ``localnorm compare --smoke`` with the norms ``none``, ``local`` and `ChannelScale` of this module: half a
minute, and too little to conclude from. Any callable ``builder(num_channels) -> Module`` that can be imported
works, by its name ``module:attribute``.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import torch
from torch import Tensor, nn

FOLDER = Path(__file__).parent


class ChannelScale(nn.Module):
    """Multiply each channel by a learned factor; no statistics."""

    def __init__(self, num_channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(num_channels))

    def forward(self, x: Tensor) -> Tensor:
        """Scale x of shape (N, C, ...)."""
        return x * self.weight.view(-1, *[1] * (x.ndim - 2))


def main() -> None:
    """Run the study."""
    from localnorm.cli import main as localnorm

    out = sys.argv[1] if len(sys.argv) > 1 else "custom-norm"
    # The worker processes import this module by its name.
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(FOLDER), os.environ.get("PYTHONPATH")]))
    sys.path.insert(0, str(FOLDER))
    norms = "none,local,custom_norm:ChannelScale"
    sys.argv = [
        "localnorm",
        "compare",
        "--smoke",
        "--task",
        "digits",
        "--norms",
        norms,
        "--seeds",
        "2",
        "--out",
        out,
    ]
    localnorm()


if __name__ == "__main__":
    main()
