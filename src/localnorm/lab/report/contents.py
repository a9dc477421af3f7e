"""What a report is made from: a study's table, its records, and what is missing or damaged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from localnorm.lab.analysis.table import Table, make_table
from localnorm.lab.measures.select import Records, drawn
from localnorm.lab.records.record import STATUSES, Record, Status, Trial, key
from localnorm.lab.records.store import Damaged, Store, nothing_collected
from localnorm.lab.report.links import REPORT_HTML, TABLE_JSON, page_names
from localnorm.lab.study.study import Study
from localnorm.lab.study.study_file import read_study

EXPORTS = (TABLE_JSON, "table.csv", "table.md", "table.tex")


@dataclass(frozen=True)
class Report:
    """A study's results, read from its folder.

    Attributes:
        folder: the study's folder.
        table: the judged table.
        records: every sound record, in the order of their keys.
        damaged: the files in the folder that are no sound records.
        done: how many of the study's jobs have a record.
        wanted: how many jobs the study has.
    """

    folder: Path
    table: Table
    records: Records
    damaged: tuple[Damaged, ...]
    done: int
    wanted: int

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files that `write_report` writes: JSON, CSV, Markdown, LaTeX, the page, that of each task."""
        pages = page_names([task.name for task in self.table.study.tasks]).values()
        return tuple(self.folder / name for name in (*EXPORTS, REPORT_HTML, *pages))

    @property
    def counts(self) -> Mapping[Status, int]:
        """Number of records by status; every status is there."""
        counted = Counter(record.status for record in self.records)
        return {status: counted[status] for status in STATUSES}

    @property
    def trials(self) -> int:
        """Number of records of trials: the models that were trained, or were tried to be."""
        return sum(isinstance(record.job, Trial) for record in self.records)


def read_report(folder: Path) -> Report:
    """Read a study's folder and make its table; nothing is written.

    Raises:
        RecordError: the folder holds no study, or one that can't be read.
    """
    study = read_study(folder)
    with nothing_collected():
        sound, damaged = Store(folder).read()
        records = Records(sound.values())
        done, wanted = _progress(study, records)
        return Report(folder, make_table(study, records), records, damaged, done, wanted)


def _progress(study: Study, records: Collection[Record]) -> tuple[int, int]:
    """Return how many of the study's jobs have a record, and how many jobs there are."""
    done, wanted = 0, 0
    known = set(map(key, study.probes()))
    for task in study.tasks:
        known.update(map(key, study.grid_trials(task)), map(key, study.batch_trials(task)))
        # Which settings are drawn is known only where torch is, so the drawn ones are counted.
        draws = len(study.norms) * len(study.seeds) * task.schedule.draws
        wanted += draws
        done += min(draws, len(drawn(study, task, records)))
    return done + sum(key(record.job) in known for record in records), wanted + len(known)
