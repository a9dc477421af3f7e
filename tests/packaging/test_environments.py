"""Use the package from a zip archive, from memory, and without its library: right results, at most one warning."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

import localnorm

PACKAGE = Path(localnorm.__file__).parent
LIBRARIES = [path.relative_to(PACKAGE) for path in PACKAGE.glob("kernels/cpu/localnorm_cpu.*")]

CHECK = """
import sys, warnings
import numpy as np
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    import localnorm
    x = np.sin(np.arange(4 * 16 * 40 * 40, dtype=np.float32)).reshape(4, 16, 40, 40)
    spec = localnorm.LRNSpec.from_torch(5, alpha=0.7)
    for _ in range(2):
        y = localnorm.local_response_norm(x, spec)
if not np.allclose(y, localnorm.reference.forward(x, spec), rtol=1e-6):
    sys.exit("wrong result")
print([f"{one.category.__name__}: {one.message}" for one in caught])
"""

# As in a frozen application: modules come from memory, and there is no file beside them.
FROZEN = """
import importlib.abc, importlib.util, sys, zipfile
archive = zipfile.ZipFile(sys.argv[1])
names = set(archive.namelist())

class Frozen(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(self, name, path=None, target=None):
        stem = name.replace(".", "/")
        for file, is_package in ((f"{stem}/__init__.py", True), (f"{stem}.py", False)):
            if name.partition(".")[0] == "localnorm" and file in names:
                return importlib.util.spec_from_loader(name, self, origin="frozen", is_package=is_package)
        return None
    def exec_module(self, module):
        stem = module.__name__.replace(".", "/")
        file = f"{stem}/__init__.py" if f"{stem}/__init__.py" in names else f"{stem}.py"
        exec(compile(archive.read(file), f"<frozen {module.__name__}>", "exec"), module.__dict__)

sys.meta_path.insert(0, Frozen())
"""


def _run(
    code: str, *arguments: str | Path, source: Path, options: tuple[str, ...] = (), **environment: str
) -> str:
    """Run a script on the package at `source`, without the .pth file of an editable installation (-S)."""
    paths = os.pathsep.join(map(str, (source, Path(np.__file__).parents[1])))
    done = subprocess.run(
        [sys.executable, "-S", *options, "-c", code, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": paths, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def _copy(folder: Path) -> Path:
    """Copy the package, without its library."""
    shutil.copytree(PACKAGE, folder / "localnorm", ignore=shutil.ignore_patterns("__pycache__", "localnorm_cpu.*"))
    return folder


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package and its library as a zip archive, which is what a wheel is."""
    archive = tmp_path_factory.mktemp("zip") / "localnorm.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for path in PACKAGE.rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                file.write(path, path.relative_to(PACKAGE.parent))
    return archive


def _warns_once(printed: str) -> bool:
    return printed.count("RuntimeWarning: ") == 1 and printed.count("Warning: ") == 1


needs_library = pytest.mark.skipif(not LIBRARIES, reason="the package was installed without a C++ compiler")


@needs_library
@pytest.mark.parametrize(
    ("options", "environment"),
    [((), {}), (("-OO",), {}), ((), {"HOME": os.devnull})],
    ids=["as usual", "without docstrings", "no home to write to"],
)
def test_the_library_is_used(options: tuple[str, ...], environment: dict[str, str]):
    assert _run(CHECK, source=PACKAGE.parent, options=options, **environment) == "[]"


@needs_library
def test_from_a_zip_archive(archive: Path, tmp_path: Path):
    assert _run(CHECK, source=archive, TMPDIR=str(tmp_path)) == "[]"
    assert not list(tmp_path.iterdir()), "the extracted library is left behind"


def test_without_files(archive: Path, tmp_path: Path):
    assert _warns_once(_run(FROZEN + CHECK, archive, source=tmp_path))


def test_without_the_library(tmp_path: Path):
    assert _warns_once(_run(CHECK, source=_copy(tmp_path)))


@needs_library
def test_with_a_library_that_does_not_load(tmp_path: Path):
    source = _copy(tmp_path)
    (source / "localnorm" / LIBRARIES[0]).write_bytes(b"no library")
    assert _warns_once(_run(CHECK, source=source))


COLD_START = """
import time, warnings
warnings.simplefilter("error")
import torch, localnorm.torch
x = torch.ones(4, 16, 8, 8, requires_grad=True)
start = time.perf_counter()
y = localnorm.torch.local_response_norm(x, 5)
middle = time.perf_counter()
y.sum().backward()
print(middle - start, time.perf_counter() - middle)
"""


@needs_library
def test_the_first_call_compiles_nothing():
    """The target is 0.15 s on an idle machine."""
    pytest.importorskip("torch")
    forward, backward = map(float, _run(COLD_START, source=PACKAGE.parent).split())
    sys.stdout.write(f"beyond importing, first forward: {forward:.3f} s; first backward: {backward:.3f} s\n")
    assert forward + backward < 3
