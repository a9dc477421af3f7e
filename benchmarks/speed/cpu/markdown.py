"""Format Markdown tables, and replace the generated sections of a page."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import partial


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table with columns as wide as their cells; the first is aligned left, the others right."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    rule = [("-" * max(width, 3)) + ("" if i == 0 else ":") for i, width in enumerate(widths)]
    return "\n".join(map(_line, (_padded(head, widths), rule, *(_padded(row, widths) for row in rows))))


def _padded(cells: Sequence[str], widths: Sequence[int]) -> list[str]:
    first, *others = zip(cells, widths, strict=True)
    return [first[0].ljust(max(first[1], 3)), *(cell.rjust(max(width, 3) + 1) for cell, width in others)]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def filled(page: str, sections: Mapping[str, str]) -> str:
    """Return a page with the text between the marks of each section replaced.

    The marks are ``<!-- written by MODULE: NAME -->`` and ``<!-- end of NAME -->``. A page has the marks of those
    sections that it shows.
    """
    for name, text in sections.items():
        marks = f"(<!-- written by \\S+: {re.escape(name)} -->).*?(<!-- end of {re.escape(name)} -->)"
        # A function, because a replacement string would be read for escapes.
        page = re.sub(marks, partial(_between, text), page, flags=re.DOTALL)
    return page


def _between(text: str, marks: re.Match[str]) -> str:
    return f"{marks[1]}\n\n{text}\n\n{marks[2]}"
