"""The report of a tuning: what was found, as a page and as values, made from its folder alone."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from localnorm.lab.analysis.statistics import LEVEL
from localnorm.lab.measures.select import Records
from localnorm.lab.records.record import Record, key
from localnorm.lab.records.store import Damaged, Store, write_atomically
from localnorm.lab.report.html import environment, write_plotly
from localnorm.lab.report.links import PLOTLY_JS, REPORT_HTML, Evidence
from localnorm.lab.report.palette import MARKERS, styles
from localnorm.lab.report.tuning.plots import plots
from localnorm.lab.tuning.results import Tuned, make_tuned
from localnorm.lab.tuning.selection import FINALISTS, setting_of
from localnorm.lab.tuning.tuning import CHOOSING
from localnorm.lab.tuning.tuning_file import TUNING_FILE, read_tuning

VALUES = "tuned.json"


@dataclass(frozen=True)
class WrittenTuning:
    """What was written.

    Attributes:
        tuned: what was found.
        damaged: the files in the folder that are no sound records.
    """

    tuned: Tuned
    damaged: tuple[Damaged, ...]

    def to_json(self) -> str:
        """Return what was found as readable JSON."""
        return json.dumps(self.tuned.to_values(), indent=1, allow_nan=False) + "\n"


def write_tuning_report(folder: Path) -> WrittenTuning:
    """Write ``report.html``, ``tuned.json`` and the script of the plots into the folder of a tuning.

    The same records give the same bytes. A search that is unfinished or has damaged records gives a report that
    says so.

    Raises:
        RecordError: the folder holds no tuning, or one that can't be read.
    """
    tuning = read_tuning(folder)
    sound, damaged = Store(folder).read()
    records = tuple(sound.values())
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
    style = styles([tuned.tuning.norm])[tuned.tuning.norm]
    return (
        environment()
        .get_template("tuning.html.jinja")
        .render(
            tuned=tuned,
            tuning=tuned.tuning,
            best=tuned.best,
            trials=[(key(trial), setting_of(trial), record) for trial, record in tuned.trials],
            statuses=Counter(record.status for _, record in tuned.trials),
            groups=groups,
            figures={plot.name: plot.figure for group in groups.values() for plot in group},
            evidence=Evidence(Records(records).by_key, {tuned.tuning.task.name: REPORT_HTML}),
            damaged=damaged,
            style=style,
            markers=MARKERS,
            exports=(VALUES, TUNING_FILE),
            plotly_js=PLOTLY_JS,
            overall_page=REPORT_HTML,
            level=LEVEL,
            choosing=CHOOSING,
            most_finalists=FINALISTS,
        )
    )
