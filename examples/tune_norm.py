"""Tune LRN's hyperparameters and the learning rate on handwritten digits, in a search of four trials.

    python examples/tune_norm.py

The same as ``localnorm tune --trials 4 ...``. A real search has 60 trials, the default: a minute on two cores.
"""

from __future__ import annotations

import sys


def main() -> None:
    """Run the search."""
    from localnorm.cli import main as localnorm

    out = sys.argv[1] if len(sys.argv) > 1 else "tune-norm"
    options = [
        "--norm",
        "local",
        "--task",
        "digits",
        "--trials",
        "4",
        "--epochs",
        "1",
        "--lr",
        "1e-2",
        "--seeds",
        "2",
    ]
    sys.argv = ["localnorm", "tune", *options, "--out", out]
    localnorm()


if __name__ == "__main__":
    main()
