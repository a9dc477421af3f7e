"""Examples and links of the README and the documentation: code runs as printed, and every link leads somewhere."""

from __future__ import annotations

import doctest
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import localnorm

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
    ROOT / "SECURITY.md",
    *sorted(DOCS.glob("*.md")),
]
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE | doctest.IGNORE_EXCEPTION_DETAIL
every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def _without_code(page: Path) -> str:
    """Return a page without blocks of code, and with inline code replaced by a word."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    return re.sub(r"`[^`\n]*`", "code", text)


def _programs(page: Path) -> str:
    """Return a page's blocks of Python as one program, without doctests and what follows ``<!-- not run -->``."""
    blocks = re.findall(
        r"^(<!-- not run -->\n)?```python\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )
    return "\n".join(code for not_run, code in blocks if not not_run and not code.startswith(">>>"))


@every_page
def test_examples_print_what_the_page_says(page: Path):
    assert doctest.testfile(str(page), module_relative=False, optionflags=FLAGS).failed == 0


def test_the_definition_page_has_examples():
    # Guards the test above against silently finding nothing to run.
    page = str(DOCS / "definition.md")
    assert doctest.testfile(page, module_relative=False, report=False, optionflags=FLAGS).attempted >= 3


# Its program is a study, which takes a minute or two.
STUDIES = ("run-a-study.md",)


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, marks=[pytest.mark.slow] if page.name in STUDIES else [])
        for page in PAGES
        if _programs(page)
    ],
    ids=lambda page: page.name,
)
def test_the_programs_of_a_page_run(page: Path, tmp_path: Path):
    program = tmp_path / "program.py"
    program.write_text(_programs(page), encoding="utf-8")
    environment = {"KERAS_BACKEND": "tensorflow", **os.environ}
    done = subprocess.run(
        [sys.executable, program], env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@every_page
def test_links_lead_somewhere(page: Path):
    links = re.findall(r"\[([^\]]*)\]\(([^)\s]+)\)", _without_code(page))
    assert [target for text, target in links if not text] == [], "a link without a text shows nothing"
    files = [target.partition("#")[0] for _, target in links if "://" not in target]
    assert [name for name in files if name and not (page.parent / name).exists()] == []


def _anchor(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


@every_page
def test_anchors_exist(page: Path):
    for name, anchor in re.findall(r"\]\(([^)\s#]*)#([^)\s]+)\)", _without_code(page)):
        target = page.parent / name if name else page
        if target.suffix == ".md":
            headings = re.findall(r"^#+ (.*)", target.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in map(_anchor, headings), f"{page.name} links to {name}#{anchor}"


def test_every_page_is_in_the_index():
    index = (DOCS / "index.md").read_text(encoding="utf-8")
    assert [
        page.name for page in DOCS.glob("*.md") if page.name != "index.md" and f"({page.name})" not in index
    ] == []


def test_the_citation_has_the_version():
    assert f"version: {localnorm.__version__}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 120


@pytest.mark.parametrize("path", sorted((ROOT / "src").rglob("*.py")), ids=lambda path: path.name)
def test_messages_name_pages_that_exist(path: Path):
    named = re.findall(r"docs/[\w-]+\.md", path.read_text(encoding="utf-8"))
    assert [name for name in named if not name.startswith("docs/Oper") and not (ROOT / name).exists()] == []
