"""What is compiled is kept for the next process, and nothing fails where it can't be."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import localnorm

CODE = """
import warnings
warnings.simplefilter("error")
import numpy as np
import localnorm
from localnorm import LRNSpec, reference
from localnorm.kernels.cpu.compiled import kept, kernel
x = np.arange(60, dtype=np.float32).reshape(3, 4, 5)
spec = LRNSpec.from_torch(3, alpha=0.7)
np.testing.assert_allclose(localnorm.local_response_norm(x, spec), reference.forward(x, spec), rtol=1e-6)
found = kernel("forward", "float32")
folder, passes = kept()
print(found.from_disk, found.kept, ("forward", "float32") in passes)
"""


def _run(code: str, source: Path | None = None, **environment: str) -> str:
    root = source or Path(localnorm.__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(root), **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache that one process has filled."""
    folder = tmp_path_factory.mktemp("cache")
    assert _run(CODE, NUMBA_CACHE_DIR=str(folder)) == "False True True"
    return folder


def test_the_next_process_finds_it(folder: Path):
    assert _run(CODE, NUMBA_CACHE_DIR=str(folder)) == "True True True"


def test_other_sources_compile_anew(tmp_path: Path):
    """Numba itself looks at one of the files only."""
    source = tmp_path / "localnorm"
    shutil.copytree(Path(localnorm.__file__).parent, source, ignore=shutil.ignore_patterns("__pycache__"))
    stamp = "from localnorm.kernels.cpu.compiled import _stamp; print(_stamp())"
    before = _run(stamp, tmp_path)
    with (source / "kernels/cpu/rows.py").open("a") as file:
        file.write("# changed\n")
    assert _run(stamp, tmp_path) != before


def test_a_damaged_file_is_no_error(folder: Path, tmp_path: Path):
    damaged = shutil.copytree(folder, tmp_path / "damaged")
    files = list(damaged.rglob("*.nbc"))
    assert files
    for file in files:
        file.write_bytes(file.read_bytes()[:100])
    assert _run(CODE, NUMBA_CACHE_DIR=str(damaged)) == "False False False"


def test_no_folder_is_no_error(tmp_path: Path):
    (tmp_path / "file").touch()
    code = """
import numba.core.caching as caching
def refuse(*_, **__):
    raise RuntimeError("cannot cache function: no locator available")
caching.FunctionCache.__init__ = refuse
"""
    assert _run(code + CODE) == "False False False"


@pytest.mark.parametrize(
    "call",
    [
        "localnorm.local_response_norm(x, spec)",
        "localnorm.torch.local_response_norm(torch.from_numpy(x), 3, alpha=0.7).numpy()",
    ],
    ids=["numpy", "torch"],
)
def test_without_numba_it_says_so_once_and_is_right(call: str):
    code = f"""
import sys, warnings
sys.modules["numba"] = None
import numpy as np, torch, localnorm, localnorm.torch
from localnorm import LRNSpec, reference
x = np.arange(60, dtype=np.float32).reshape(3, 4, 5)
spec = LRNSpec.from_torch(3, alpha=0.7)
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    for _ in range(2):
        np.testing.assert_allclose({call}, reference.forward(x, spec), rtol=1e-6)
ours = [str(one.message) for one in said if "CPU kernel needs Numba" in str(one.message)]
print(len(ours), ours[0].endswith("Install it with: pip install numba."))
"""
    assert _run(code) == "1 True"
