"""Results of a study in Python: shown as HTML in a notebook, as a pandas frame, and as Plotly figures."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
from rich.console import Console

from localnorm.errors import MissingExtraError, UnknownNameError
from localnorm.lab.report.contents import Report, read_report
from localnorm.lab.report.exports import to_csv
from localnorm.lab.report.figures import forest_figure
from localnorm.lab.report.palette import styles
from localnorm.lab.report.terminal import render
from localnorm.spelling import nearest

_WIDTH = 110
_NUMBERS = ("value", "low", "high", "pairs", "difference from none", "difference low", "difference high", "within")


class StudyResults:
    """What a study came to, read from its folder.

    Args:
        folder: the study's folder.

    Attributes:
        report: its content: `report.table` holds every row and cell.

    Raises:
        RecordError: the folder holds no study, or one that can't be read.
    """

    def __init__(self, folder: Path | str) -> None:
        self.report: Report = read_report(Path(folder))

    def __repr__(self) -> str:
        """Return the screen that `localnorm compare` ends with."""
        console = self._printed()
        return console.export_text().rstrip()

    def _repr_html_(self) -> str:
        """Return the same screen as HTML, for a notebook."""
        return self._printed().export_html(inline_styles=True, code_format="<pre>{code}</pre>")

    def _printed(self) -> Console:
        # In a notebook, rich would also display what it prints, so that the results would be there twice.
        console = Console(record=True, width=_WIDTH, file=io.StringIO(), force_terminal=True, force_jupyter=False)
        console.print(render(self.report))
        return console

    def to_frame(self) -> Any:  # noqa: ANN401  pandas may be missing
        """Return a pandas DataFrame, as ``table.csv``: a line for each row and norm, overall and for each task.

        Raises:
            MissingExtraError: pandas is not installed (an ImportError).
        """
        try:
            import pandas as pd
        except ImportError as problem:
            raise MissingExtraError("a frame needs pandas; install it with: pip install pandas.") from problem
        frame = pd.DataFrame(list(csv.DictReader(io.StringIO(to_csv(self.report.table)))))
        for column in _NUMBERS:
            frame[column] = pd.to_numeric(frame[column], errors="coerce")
        return frame

    def figure(self, criterion: str) -> go.Figure:
        """Return every norm's difference from none in a criterion, with its interval and the smallest effect.

        Args:
            criterion: the name of a row, such as ``generalization``.

        Raises:
            UnknownNameError: no such row, or one without intervals (a ValueError).
        """
        look = styles(self.report.table.study.norms)
        figures = {row.row.name: forest_figure(row, look) for row in self.report.table.rows}
        figure = figures.get(criterion)
        if figure is None:
            known = [name for name, drawn in figures.items() if drawn]
            raise UnknownNameError(
                f"criterion must be a row with intervals, one of {', '.join(known) or 'none yet'}, got "
                f"{criterion!r}; {nearest(criterion, known)}"
            )
        return go.Figure(figure)


def read_study(folder: Path | str) -> StudyResults:
    """Return the results of a study, finished or not.

    Args:
        folder: the study's folder.

    Raises:
        RecordError: the folder holds no study, or one that can't be read (a ValueError).
    """
    return StudyResults(folder)
