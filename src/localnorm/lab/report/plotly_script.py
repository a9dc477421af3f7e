"""The file beside the pages that draws their plots."""

from __future__ import annotations

from pathlib import Path

from plotly.offline import get_plotlyjs

from localnorm.lab.store import write_atomically


def write_plotly(path: Path) -> None:
    """Write plotly.js once beside the pages: it is 5 MB, and would be that in each of them."""
    text = get_plotlyjs()
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        write_atomically(path, text)
