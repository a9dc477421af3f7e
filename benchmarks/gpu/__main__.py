"""Measure on a CUDA GPU: ``python -m benchmarks.gpu``.

Prints, for each entry, its time in copies of the tensor and the part of the copy's bandwidth that it reaches, and
appends each result to a file in benchmarks/results. The accuracy is checked before anything is timed.
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

from benchmarks.cpu.results import FOLDER, Record, Writer, here, new_file
from benchmarks.gpu.parts import Setting, contests, of_bandwidth, rivals
from benchmarks.gpu.stems import time_stems
from benchmarks.rounds import ROUNDS


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure everything."""
    parser = argparse.ArgumentParser("python -m benchmarks.gpu", description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"of each contest; {ROUNDS} by default")
    parser.add_argument("--results", type=Path, help="the file to append to; a new one by default")
    asked = parser.parse_args(arguments)
    if not torch.cuda.is_available():
        raise SystemExit(
            "benchmarks.gpu needs a CUDA GPU and a torch that was built for it, and finds none here; "
            "for the CPU run: make bench."
        )
    # Else the rival of the CPU's benchmark would keep JAX from looking for a GPU.
    os.environ.setdefault("JAX_PLATFORMS", "")
    # The kernel is experimental and off by default.
    os.environ.setdefault("LOCALNORM_GPU", "1")
    where = {"processor": torch.cuda.get_device_name(), "cuda": torch.version.cuda}
    first = {**here(torch.get_num_threads()), **where}
    writer = Writer(asked.results or new_file(first, FOLDER, "gpu"), first)
    print(f"{first['processor']}, CUDA {first['cuda']}, {first['versions']}")
    for record in measured(Setting(asked.rounds, rivals=rivals(_jax_sees_one()))):
        writer.append(record)
        print(described(record), flush=True)


def measured(setting: Setting) -> Iterator[Record]:
    """Yield every result."""
    for contest in contests(setting):
        yield from contest.run(setting.rounds)
    yield from time_stems(setting.batch, setting.device, setting.rounds)


def described(record: Record) -> str:
    """Return one line on a result."""
    head = f"{record['contest']}: {record['rival']}"
    if "left_out" in record:
        return f"{head}: left out, {record['left_out']}"
    reached = of_bandwidth(record)
    counted = "" if reached is None else f", {record['copies']:.2f} copies, {100 * reached:.0f} % of the bandwidth"
    tail = "" if record.get("accurate", True) else f", inaccurate: {record['error']} epsilons"
    return f"{head}: {median(record['milliseconds']):.4g} ms{counted}{tail}"


def _jax_sees_one() -> bool:
    if find_spec("jax") is None:
        return False
    import jax

    with suppress(RuntimeError):  # No GPU, as JAX says it.
        return bool(jax.devices("gpu"))
    return False


if __name__ == "__main__":
    main()
