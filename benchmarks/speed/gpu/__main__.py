"""Run the GPU benchmark: ``python -m benchmarks.speed.gpu``; needs a CUDA GPU.

Checks the accuracy of each implementation, then prints its time in copies of the tensor and the share of the
copy's bandwidth that it reaches, and appends the result to a file in benchmarks/results.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from statistics import median

import torch

from benchmarks.speed.cpu.results import FOLDER, Row, Writer, here, new_file
from benchmarks.speed.gpu.cases import GpuExtent, baselines, comparisons, of_bandwidth
from benchmarks.speed.gpu.stems import time_stems
from benchmarks.speed.rounds import ROUNDS


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure everything."""
    parser = argparse.ArgumentParser("python -m benchmarks.speed.gpu", description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"of each comparison; {ROUNDS} by default")
    parser.add_argument("--results", type=Path, help="the file to append to; a new one by default")
    asked = parser.parse_args(arguments)
    if not torch.cuda.is_available():
        raise SystemExit(
            "benchmarks.speed.gpu needs a CUDA GPU and a torch that was built for it, and finds none here; "
            "run make bench for the CPU."
        )
    # Else the JAX baseline of the CPU benchmark would restrict JAX to the CPU.
    os.environ.setdefault("JAX_PLATFORMS", "")
    # The kernel is experimental and off by default.
    os.environ.setdefault("LOCALNORM_GPU", "1")
    where = {"processor": torch.cuda.get_device_name(), "cuda": torch.version.cuda}
    first = {**here(torch.get_num_threads()), **where}
    writer = Writer(asked.results or new_file(first, FOLDER, "gpu"), first)
    print(f"{first['processor']}, CUDA {first['cuda']}, {first['versions']}")
    for record in measured(GpuExtent(asked.rounds, baselines=baselines(_jax_has_gpu()))):
        writer.append(record)
        print(described(record), flush=True)


def measured(extent: GpuExtent) -> Iterator[Row]:
    """Yield every result."""
    for comparison in comparisons(extent):
        yield from comparison.run(extent.rounds)
    yield from time_stems(extent.batch, extent.device, extent.rounds)


def described(record: Row) -> str:
    """Return one line on a result."""
    head = f"{record['comparison']}: {record['implementation']}"
    if "left_out" in record:
        return f"{head}: left out, {record['left_out']}"
    reached = of_bandwidth(record)
    counted = "" if reached is None else f", {record['copies']:.2f} copies, {100 * reached:.0f} % of the bandwidth"
    tail = "" if record.get("accurate", True) else f", inaccurate: {record['error']} epsilons"
    return f"{head}: {median(record['milliseconds']):.4g} ms{counted}{tail}"


def _jax_has_gpu() -> bool:
    if find_spec("jax") is None:
        return False
    import jax

    with suppress(RuntimeError):  # Raised if there is no GPU.
        return bool(jax.devices("gpu"))
    return False


if __name__ == "__main__":
    main()
