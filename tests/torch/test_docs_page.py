"""The page of what holds in PyTorch names tests; this one checks that there are such tests."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "torch.md").read_text(encoding="utf-8")
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")] for line in PAGE.splitlines() if line.startswith("|")
]
[HEAD, _, *CHECKS] = ROWS


def _tests(path: Path) -> set[str]:
    return {node.name for node in ast.parse(path.read_text(encoding="utf-8")).body if hasattr(node, "name")}


def test_the_table_is_read():
    assert HEAD == ["check", "what holds", "shown by"]
    assert len(CHECKS) >= 15


@pytest.mark.parametrize("row", CHECKS, ids=lambda row: row[0])
def test_every_row_names_tests_that_exist(row: list[str]):
    named = re.findall(r"`([^`]+)`", row[2])
    assert named
    for name in named:
        file, _, test = name.partition("::")
        assert test.startswith("test_")
        assert test in _tests(ROOT / file), name
