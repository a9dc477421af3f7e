"""Build with pip: a wheel with the kernel; a pure Python one without a C++ compiler; an editable one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import localnorm

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the build reads, without what was built before."""
    pytest.importorskip("scikit_build_core", reason="the build tools are not installed here; run: make test")
    folder = tmp_path_factory.mktemp("source")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    ignore = shutil.ignore_patterns("__pycache__", "localnorm_cpu.*")
    for name in ("src", "native"):
        shutil.copytree(ROOT / name, folder / name, ignore=ignore)
    return folder


def _pip(*arguments: str | Path, **environment: str) -> None:
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "")))
    done = subprocess.run(
        [sys.executable, "-m", "pip", *map(str, arguments)],
        env={**os.environ, "PATH": path, **environment},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def _wheel(source: Path, folder: Path, **environment: str) -> Path:
    _pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, source, **environment)
    (wheel,) = folder.glob("*.whl")
    return wheel


def _libraries(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        assert archive.testzip() is None
        return [name for name in archive.namelist() if "localnorm_cpu" in name]


def test_with_a_compiler(source: Path, tmp_path: Path):
    if shutil.which(os.environ.get("CXX", "c++")) is None:
        pytest.skip("needs a C++ compiler; run: apt-get install g++")
    wheel = _wheel(source, tmp_path)
    assert wheel.name.startswith(f"localnorm-{localnorm.__version__}-py3-none-")
    assert not wheel.name.endswith("-any.whl")
    assert len(_libraries(wheel)) == 1


def test_without_a_compiler(source: Path, tmp_path: Path):
    wheel = _wheel(source, tmp_path, CXX="/nonexistent/c++")
    assert wheel.name == f"localnorm-{localnorm.__version__}-py3-none-any.whl"
    assert _libraries(wheel) == []


def test_an_editable_installation_only_adds_the_sources_to_the_path(source: Path, tmp_path: Path):
    """A finder that maps modules to files would hide files that are moved later, and ignore PYTHONPATH."""
    target = ("--target", tmp_path, "--no-deps", "--no-build-isolation")
    _pip("install", *target, "--editable", source, CXX="/nonexistent/c++")
    paths = [line for file in tmp_path.glob("*.pth") for line in file.read_text().splitlines()]
    assert [line for line in paths if not line.startswith("import ")] == [str(source / "src")]
    assert not (tmp_path / "localnorm").exists()
    (finder,) = tmp_path.glob("_editable_*.py")
    assert finder.read_text().rstrip().splitlines()[-1].startswith("install({}, {}, ")
