"""What the README and the documentation show is run as it stands."""

from __future__ import annotations

import doctest
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_examples_print_what_the_page_says(page: Path):
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE | doctest.IGNORE_EXCEPTION_DETAIL
    outcome = doctest.testfile(str(page), module_relative=False, optionflags=flags)
    assert outcome.failed == 0


def test_the_definition_page_has_examples():
    # Guards the test above against silently finding nothing to run.
    assert (
        doctest.testfile(
            str(ROOT / "docs" / "definition.md"),
            module_relative=False,
            report=False,
            optionflags=(doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE | doctest.IGNORE_EXCEPTION_DETAIL),
        ).attempted
        >= 3
    )
