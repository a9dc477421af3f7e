"""Run the CPU benchmark: ``python -m benchmarks.speed.cpu``, or one part of it (``--part forward``).

Appends each result to a file in benchmarks/results and prints it, and the targets at the end.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import torch

from benchmarks.speed.cpu.catalog import ONE_THREAD, PARTS, CpuExtent, smoke
from benchmarks.speed.cpu.results import FOLDER, Row, Writer, here, new_file, read
from benchmarks.speed.cpu.targets import target_tables

ROUNDS = 9
_BUSY = 0.5
"""Load average above which a warning is printed."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the requested parts."""
    asked = _parser().parse_args(arguments)
    # JAX warns of any fork; the processes forked here only run the C++ compiler.
    warnings.filterwarnings("ignore", message=r"os\.fork\(\) was called", category=RuntimeWarning)
    child = asked.one_thread_into is not None
    threads = 1 if child else torch.get_num_threads()
    torch.set_num_threads(threads)
    extent = smoke(threads) if asked.quick else CpuExtent(threads, asked.rounds)
    if child:
        _measure(ONE_THREAD, extent, Writer(asked.one_thread_into))
        return
    first = here(threads)
    print(_described(first))
    if first["load"] > _BUSY:
        print(f"This machine is busy (load {first['load']}): threads that wait for a core make the times useless.")
    folder = Path(tempfile.mkdtemp()) if asked.quick else FOLDER
    writer = Writer(asked.results or new_file(first, folder), first)
    for part in asked.part or PARTS:
        if part == ONE_THREAD and threads > 1:
            _in_one_thread(asked, writer.path)
        else:
            _measure(part, extent, writer)
    print(f"\n{target_tables(read(writer.path))}\n\nwrote {writer.path.name}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m benchmarks.speed.cpu", description=__doc__)
    parser.add_argument("--part", nargs="+", choices=PARTS, help="only these parts; all by default")
    parser.add_argument(
        "--quick", action="store_true", help="a smoke run: tiny shapes, few baselines, no file kept"
    )
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"of each comparison; {ROUNDS} by default")
    parser.add_argument("--results", type=Path, help="the file to append to; a new one by default")
    parser.add_argument("--one-thread-into", type=Path, help=argparse.SUPPRESS)
    return parser


def _measure(part: str, extent: CpuExtent, writer: Writer) -> None:
    for record in PARTS[part](extent):
        writer.append(record)
        print(_line(record), flush=True)


def _in_one_thread(asked: argparse.Namespace, path: Path) -> None:
    """Run the one-thread part in a separate process that is bound to one core.

    JAX and TensorFlow set their threads once per process, and JAX uses as many as it has cores.
    """
    command = [sys.executable, "-m", "benchmarks.speed.cpu", "--one-thread-into", str(path)]
    with _bound_to_one_core():
        subprocess.run(  # noqa: S603  this program
            [*command, "--rounds", str(asked.rounds), *(["--quick"] if asked.quick else [])],
            check=True,
            env={**os.environ, "OMP_NUM_THREADS": "1", "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false"},
        )


@contextmanager
def _bound_to_one_core() -> Iterator[None]:
    """Bind this thread and its child processes to one core, if the system supports it."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


def _described(first: Row) -> str:
    versions = ", ".join(f"{name} {number}" for name, number in first["versions"].items())
    return f"{first['processor']}, {first['threads']} threads, commit {first['commit']}\n{versions}"


def _line(record: Row) -> str:
    names = ("part", "measure", "shape", "layout", "dtype", "size", "beta", "implementation")
    head = " ".join(str(record[name]) for name in names if name in record)
    if "left_out" in record:
        return f"{head}: left out, {record['left_out']}"
    if "inputs" in record:
        return f"{head}: {record['inputs']:.2f} inputs"
    tail = "" if record.get("accurate", True) else f", inaccurate: {record['error']} epsilons"
    if "copies" in record:
        tail = f", {record['copies']:.2f} copies{tail}"
    return f"{head}: {median(record['milliseconds']):.4g} ms{tail}"


if __name__ == "__main__":
    main()
