"""The kernel's C++ driver: under the sanitizers, and for ARM under an emulator."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# Tools that pip installed lie beside the interpreter.
PATH = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "")))
ARM_COMPILER, ARM_EMULATOR = "aarch64-linux-gnu-g++", "qemu-aarch64"
ARM = (
    "-DCMAKE_SYSTEM_NAME=Linux",
    "-DCMAKE_SYSTEM_PROCESSOR=aarch64",
    f"-DCMAKE_CXX_COMPILER={ARM_COMPILER}",
    "-DCMAKE_EXE_LINKER_FLAGS=-static",  # the emulator then needs no libraries of that system
)

pytestmark = pytest.mark.slow


def _require(*tools: str, package: str) -> None:
    """Skip if a tool is missing."""
    missing = [tool for tool in tools if shutil.which(tool, path=PATH) is None]
    if missing:
        pytest.skip(f"needs {', '.join(missing)}; run: {package}")


def _run(*command: str, **environment: str) -> None:
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "PATH": PATH, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=1800,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-10_000:]
    sys.stdout.write(done.stdout[-500:])  # pytest -s shows it


def _build(name: str, *definitions: str) -> str:
    """Build the driver in a folder that is kept, and return its path."""
    _require("cmake", "ninja", package="pip install cmake ninja")
    folder = f"build/driver-{name}"
    _run("cmake", "-S", "native", "-B", folder, "-G", "Ninja", "-DLOCALNORM_TESTS=ON", *definitions)
    _run("cmake", "--build", folder, "--target", "localnorm_driver")
    return f"{folder}/localnorm_driver"


@pytest.mark.parametrize("sanitizers", ["address,undefined", "thread"])
def test_sanitizers_find_nothing(sanitizers: str):
    compiler = os.environ.get("CXX", "c++")
    _require(compiler, package="apt-get install g++")
    driver = _build(sanitizers.replace(",", "-"), f"-DLOCALNORM_SANITIZE={sanitizers}")
    _run(driver)
    _run(driver, LOCALNORM_ISA="baseline")


def test_neon():
    _require(ARM_COMPILER, ARM_EMULATOR, package="apt-get install g++-aarch64-linux-gnu qemu-user")
    driver = _build("neon", *ARM)
    _run(ARM_EMULATOR, driver)
    _run(ARM_EMULATOR, driver, LOCALNORM_ISA="baseline")
