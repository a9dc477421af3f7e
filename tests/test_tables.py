"""Tables of the documentation whose rows name tests: there are such tests."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HEADS = (["check", "what holds", "shown by"], ["case", "before", "after", "test"])
PAGES = {"torch.md": 15, "keras.md": 14, "jax.md": 18, "onnx.md": 10, "public-cases.md": 28}
"""The pages, and the rows that each has at least."""


def _rows(page: str) -> list[list[str]]:
    """Return the rows of the page's table of tests."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    for table in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        head, _, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
        if head in HEADS:
            return rows
    return []


@cache
def _tests(path: Path) -> set[str]:
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    return {node.name for node in nodes if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("page", PAGES)
def test_the_table_is_read(page: str):
    assert len(_rows(page)) >= PAGES[page]


@pytest.mark.parametrize("row", [pytest.param(row, id=row[0]) for page in PAGES for row in _rows(page)])
def test_every_row_names_tests_that_exist(row: list[str]):
    named = re.findall(r"`([^`]+)`", row[-1])
    assert named
    for name in named:
        file, _, test = name.partition("::")
        assert test.startswith("test_")
        assert test in _tests(ROOT / file), name
