"""Write the report of a hyperparameter search from its folder: the page, the values as JSON, the plots."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from localnorm.lab.analysis.statistics import LEVEL
from localnorm.lab.measures.select import RecordSet
from localnorm.lab.records.record import Record, key
from localnorm.lab.records.store import Damaged, Store, write_atomically
from localnorm.lab.report.html import environment, write_plotly
from localnorm.lab.report.links import PLOTLY_JS, REPORT_HTML, RecordLinks
from localnorm.lab.report.tuning.plots import plots
from localnorm.lab.report.wording import titles
from localnorm.lab.study.folder import TUNING_FILE
from localnorm.lab.tuning.results import Tuned, make_tuned
from localnorm.lab.tuning.selection import FINALISTS, setting_of
from localnorm.lab.tuning.tuning import CHOOSING
from localnorm.lab.tuning.tuning_file import read_tuning

VALUES = "tuned.json"


@dataclass(frozen=True)
class WrittenTuning:
    """The content written: the search's results, and the files in its folder that are no valid records."""

    tuned: Tuned
    damaged: tuple[Damaged, ...]

    def to_json(self) -> str:
        """Return the results as readable JSON."""
        return json.dumps(self.tuned.to_values(), indent=1, allow_nan=False) + "\n"


def write_tuning_report(folder: Path) -> WrittenTuning:
    """Write ``report.html``, ``tuned.json`` and the script of the plots into the folder of a search.

    The same records give the same bytes. The report of an unfinished search, or of one with damaged records, says
    so.

    Raises:
        RecordError: the folder holds no search, or one that can't be read.
    """
    tuning = read_tuning(folder)
    valid, damaged = Store(folder).read()
    records = tuple(valid.values())
    written = WrittenTuning(make_tuned(tuning, records), damaged)
    page = to_page(written.tuned, records, damaged)
    # A message may hold half a character, from a file name that is not UTF-8; a file can't.
    for name, content in ((VALUES, written.to_json()), (REPORT_HTML, page)):
        write_atomically(folder / name, content.encode("utf-8", "backslashreplace").decode("utf-8"))
    write_plotly(folder / PLOTLY_JS)
    return written


def to_page(tuned: Tuned, records: tuple[Record, ...], damaged: tuple[Damaged, ...]) -> str:
    """Return the page."""
    groups = plots(tuned)
    task = tuned.tuning.task.name
    return (
        environment()
        .get_template("tuning.html.jinja")
        .render(
            tuned=tuned,
            tuning=tuned.tuning,
            titles=titles([task]),
            best=tuned.best,
            trials=[(key(trial), setting_of(trial), record) for trial, record in tuned.trials],
            statuses=Counter(record.status for _, record in tuned.trials),
            groups=groups,
            figures={plot.name: plot.figure for group in groups.values() for plot in group},
            links=RecordLinks(RecordSet(records).by_key, {task: REPORT_HTML}),
            damaged=damaged,
            exports=(VALUES, TUNING_FILE),
            level=LEVEL,
            choosing=CHOOSING,
            most_finalists=FINALISTS,
        )
    )
