"""Tables in Markdown, which a terminal shows as well; and the parts of a page that a program writes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import partial


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table whose columns are as wide as their cells; the first is flush left, the others right."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    rule = [("-" * max(width, 3)) + ("" if i == 0 else ":") for i, width in enumerate(widths)]
    return "\n".join(map(_line, (_padded(head, widths), rule, *(_padded(row, widths) for row in rows))))


def _padded(cells: Sequence[str], widths: Sequence[int]) -> list[str]:
    first, *others = zip(cells, widths, strict=True)
    return [first[0].ljust(max(first[1], 3)), *(cell.rjust(max(width, 3) + 1) for cell, width in others)]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def filled(page: str, written: Mapping[str, str]) -> str:
    """Return a page with what stands between the marks of each name replaced.

    The marks are ``<!-- written by benchmarks.cpu.tables: NAME -->`` and ``<!-- end of NAME -->``; a page has
    those of the names that it wants.
    """
    for name, text in written.items():
        start, end = f"<!-- written by benchmarks.cpu.tables: {name} -->", f"<!-- end of {name} -->"
        pattern = re.compile(f"(?<={re.escape(start)}).*?(?={re.escape(end)})", re.DOTALL)
        # As a function, since a pattern's replacement has escapes of its own.
        page = pattern.sub(partial(_between, text), page)
    return page


def _between(text: str, _: re.Match[str]) -> str:
    return f"\n\n{text}\n\n"
