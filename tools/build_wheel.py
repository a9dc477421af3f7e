"""Build the wheel and the sdist, and check them as a user's machine would meet them.

The wheel is built from the sdist. It must carry the kernel for this platform and serve every Python, stay below a
size, install NumPy and nothing else, and pass the conformance tests of the NumPy API, taken from the sdist.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).parents[1]
DIST = ROOT / "dist"
CONSTRAINTS = ROOT / "constraints.txt"
LARGEST = 1_000_000  # bytes
# What a wheel built outside a manylinux container may need. Released wheels are built inside one, for 2.28.
GLIBC = (2, 31)
COLD_START = """
import time, numpy, localnorm
x = numpy.ones((4, 16, 8, 8), numpy.float32)
start = time.perf_counter()
localnorm.local_response_norm(x, localnorm.LRNSpec.from_torch(5))
print(f"first call in a new process: {1000 * (time.perf_counter() - start):.1f} ms beyond importing")
"""


def run(*command: str | Path, cwd: Path = ROOT, **environment: str) -> str:
    """Run a command, show what it prints if it fails, and return that."""
    done = subprocess.run(
        list(map(str, command)),
        cwd=cwd,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(f"{done.stdout}\n{' '.join(map(str, command))}: exit status {done.returncode}")
    return done.stdout


def check(holds: bool, requirement: str) -> None:
    """Stop if the requirement does not hold."""
    print(f"{'ok' if holds else 'FAILED'}: {requirement}")
    if not holds:
        sys.exit(1)


def build() -> tuple[Path, Path]:
    """Build both into an empty dist/ and return the wheel and the sdist."""
    shutil.rmtree(DIST, ignore_errors=True)
    # pip reads this for the environment in which the wheel is built, up to pip 25.2; later ones the second.
    pinned = {"PIP_CONSTRAINT": str(CONSTRAINTS), "PIP_BUILD_CONSTRAINT": str(CONSTRAINTS)}
    run(sys.executable, "-m", "build", **pinned)
    (wheel,) = DIST.glob("*.whl")
    (sdist,) = DIST.glob("*.tar.gz")
    return wheel, sdist


def check_glibc(wheel: Path) -> None:
    """Check the oldest glibc that the wheel runs with, as auditwheel reads it from the library's symbols."""
    shown = " ".join(run(sys.executable, "-m", "auditwheel", "show", wheel).split())
    found = re.search(r'platform tag: "manylinux_(\d+)_(\d+)_', shown)
    if found is None:
        sys.exit(shown)
    needed = (int(found[1]), int(found[2]))
    check(needed <= GLIBC, f"glibc {needed[0]}.{needed[1]} or later, at most {GLIBC[0]}.{GLIBC[1]}")


def check_installed(wheel: Path, sdist: Path, folder: Path) -> None:
    """Install the wheel beside nothing, and run the tests that the sdist has for that."""
    venv.create(folder / "venv", with_pip=True)
    python = folder / "venv" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    pip = (python, "-m", "pip")
    before = {one["name"] for one in json.loads(run(*pip, "list", "--format=json"))}
    run(*pip, "install", "--quiet", "--constraint", CONSTRAINTS, wheel)
    after = {one["name"] for one in json.loads(run(*pip, "list", "--format=json"))}
    check(after - before == {"localnorm", "numpy"}, f"it installs {', '.join(sorted(after - before))}")
    print(run(python, "-W", "error", "-c", COLD_START, cwd=folder).strip())
    run(*pip, "install", "--quiet", "--constraint", CONSTRAINTS, "pytest")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    source = folder / sdist.name.removesuffix(".tar.gz")
    # The configuration makes warnings errors, so a wheel without a usable library fails. conftest.py needs torch.
    options = ("--noconftest", "-c", "pyproject.toml", "-p", "no:cacheprovider", "-q")
    print(run(python, "-m", "pytest", *options, "tests/core/test_numpy_conformance.py", cwd=source)[-400:].strip())


def main() -> None:
    """Build and check."""
    wheel, sdist = build()
    name, size = wheel.name, wheel.stat().st_size
    check("-py3-none-" in name, f"{name} serves every Python")
    check(not name.endswith("-any.whl"), "it carries the kernel, so a C++ compiler was found")
    check(size <= LARGEST, f"{size:,} bytes, at most {LARGEST:,}; the sdist {sdist.stat().st_size:,}")
    if sys.platform == "linux":
        check_glibc(wheel)
    with tempfile.TemporaryDirectory() as folder:
        check_installed(wheel, sdist, Path(folder))


if __name__ == "__main__":
    main()
