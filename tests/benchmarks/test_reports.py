"""The scripts of docs/reports, each of which shows an error of an installed release."""

from __future__ import annotations

import ast
import importlib.util
import runpy
import warnings
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
REPORTS = sorted((ROOT / "docs" / "reports").glob("*.py"))
PAGE = (ROOT / "docs" / "released.md").read_text(encoding="utf-8")


def _packages(path: Path) -> set[str]:
    """Return what a script imports beside the standard library and NumPy."""
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module}
    return {name.partition(".")[0] for name in names} - {"numpy", "pathlib", "tempfile"}


@pytest.mark.parametrize("path", REPORTS, ids=lambda path: path.stem)
def test_a_report_shows_an_error(path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """If this fails, the installed release is fixed: remove the report and measure docs/released.md again."""
    packages = _packages(path)
    assert "localnorm" not in packages
    if missing := [name for name in packages if importlib.util.find_spec(name) is None]:
        pytest.skip(f"{', '.join(missing)} not installed")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        runpy.run_path(str(path))
    release, expected, got = capfd.readouterr().out.splitlines()[-3:]  # a framework may log before
    assert len(release.split()) == 2
    assert expected.startswith("expected ")
    assert got.startswith("got      ")
    assert expected.split(maxsplit=1)[1] != got.split(maxsplit=1)[1]


def test_the_page_lists_every_report() -> None:
    assert [path.name for path in REPORTS if f"`{path.name}`" not in PAGE] == []
