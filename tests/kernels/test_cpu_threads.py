"""The kernel among other threads and processes: Python's, torch's, forked ones."""

from __future__ import annotations

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

import localnorm
from localnorm import LRNSpec
from localnorm.kernels.cpu import threads
from localnorm.torch import local_response_norm, system
from tensors import random_tensor

SPEC = LRNSpec.from_torch(5, alpha=0.7)


def _run(code: str) -> str:
    """Run a script of its own; a deadlock ends it and fails."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_many_threads_at_once():
    inputs = [random_tensor(n, 16, 30, 40, dtype=torch.float32) for n in (1, 2, 3, 5)] * 4
    want = [local_response_norm(x, 5, alpha=0.7) for x in inputs]
    with ThreadPoolExecutor(8) as pool:
        from_torch = list(pool.map(lambda x: local_response_norm(x, 5, alpha=0.7), inputs))
        from_numpy = list(pool.map(lambda x: localnorm.local_response_norm(x.numpy(), SPEC), inputs))
    assert all(map(torch.equal, from_torch, want))
    assert all(map(np.array_equal, from_numpy, want))


def test_it_runs_on_torchs_default_threads():
    """No thread of ours comes to be where OpenMP is torch's."""
    if system.parallel() is None:
        pytest.skip("torch has no OpenMP library here whose threads could be used")
    local_response_norm(torch.ones(4, 16, 64, 64), 5)
    before = threading.active_count()
    local_response_norm(torch.ones(4, 16, 64, 64), 5)
    assert threading.active_count() == before


def test_every_thread_of_the_pool_is_called(monkeypatch: pytest.MonkeyPatch):
    called = []
    monkeypatch.setattr(threads, "_function", lambda address: lambda block: called.append((address, block)))
    threads.run(1, 2, threads=3)
    assert called == [(1, 2)] * 3


def test_a_forked_process_runs_on_one_thread(monkeypatch: pytest.MonkeyPatch):
    called = []
    monkeypatch.setattr(threads, "_function", lambda address: lambda block: called.append((address, block)))
    monkeypatch.setattr(threads, "_IMPORTED_BY", -1)
    threads.run(1, 2, 3, lambda *_: pytest.fail("OpenMP waits for ever in a forked process"))
    assert called == [(1, 2)]


@pytest.mark.parametrize(
    ("asked", "found"), [("3", 3), ("4,2", 4), ("0", None), ("many", None), ("", None)], ids=repr
)
def test_threads_of_the_environment(asked: str, found: int | None, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    cores = threads.default_threads()
    assert cores >= 1
    monkeypatch.setenv("OMP_NUM_THREADS", asked)
    assert threads.default_threads() == (found or cores)


FORK = """
import os, sys, numpy as np, torch, localnorm
from localnorm import LRNSpec
from localnorm.torch import local_response_norm
x = torch.arange(4 * 16 * 40 * 40.0).sin().reshape(4, 16, 40, 40)
spec = LRNSpec.from_torch(5, alpha=0.7)
torch.set_num_threads(2)
want = local_response_norm(x, 5, alpha=0.7)
localnorm.local_response_norm(x.numpy(), spec)
child = os.fork()
if not child:
    # Compared by NumPy: torch.equal itself waits for ever there.
    same = np.array_equal(local_response_norm(x, 5, alpha=0.7).numpy(), want.numpy())
    same &= np.array_equal(localnorm.local_response_norm(x.numpy(), spec), want.numpy())
    os._exit(0 if same else 1)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""

LOADER = """
import torch
from torch.utils.data import DataLoader, Dataset
from localnorm.torch import local_response_norm

class Normalized(Dataset):
    def __len__(self):
        return 8
    def __getitem__(self, i):
        return local_response_norm(torch.full((1, 16, 40, 40), float(i + 1)), 5, alpha=0.7)[0]

want = Normalized()[3]
(batch,) = DataLoader(Normalized(), batch_size=8, num_workers=2, multiprocessing_context="fork")
print(torch.equal(batch[3], want))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not fork")
@pytest.mark.parametrize(
    ("code", "said"), [(FORK, "0"), (LOADER, "True")], ids=["fork", "workers of a DataLoader"]
)
def test_after_a_fork(code: str, said: str):
    assert _run(code) == said
