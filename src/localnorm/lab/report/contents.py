"""Content of a report: a study's table, its records, and the missing or damaged ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from localnorm.lab.analysis.schedule import next_blocks
from localnorm.lab.analysis.table import Table, make_table
from localnorm.lab.measures.select import RecordSet
from localnorm.lab.records.record import STATUSES, Status, Trial
from localnorm.lab.records.store import Damaged, Store
from localnorm.lab.report.links import REPORT_HTML, TABLE_JSON, page_names
from localnorm.lab.study.registry import NORM_INFO
from localnorm.lab.study.search_space import Space
from localnorm.lab.study.study_file import read_study

EXPORTS = (TABLE_JSON, "table.csv", "table.md", "table.tex")


@dataclass(frozen=True)
class Report:
    """A study's results, read from its folder.

    Attributes:
        folder: the study's folder.
        table: the judged table.
        records: every valid record, in the order of their keys.
        damaged: the files in the folder that are no valid records.
        done: number of valid records.
        wanted: the same, and the jobs that the study asks for next.
        decided: number of decided comparisons with none that rest on training.
        comparisons: number of such comparisons.
    """

    folder: Path
    table: Table
    records: RecordSet
    damaged: tuple[Damaged, ...]
    done: int
    wanted: int
    decided: int
    comparisons: int

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files that `write_report` writes: JSON, CSV, Markdown, LaTeX, the page, that of each task."""
        pages = page_names([task.name for task in self.table.study.tasks]).values()
        return tuple(self.folder / name for name in (*EXPORTS, REPORT_HTML, *pages))

    @property
    def counts(self) -> Mapping[Status, int]:
        """Number of records by status, with every status."""
        counts = Counter(record.status for record in self.records)
        return {status: counts[status] for status in STATUSES}

    @property
    def trials(self) -> int:
        """Number of records of trials."""
        return sum(isinstance(record.job, Trial) for record in self.records)


def _known_space(norm: str) -> Space:
    """Return the hyperparameter ranges of a built-in norm: a report imports no user-defined module."""
    return NORM_INFO[norm].space if norm in NORM_INFO else {}


def read_report(folder: Path) -> Report:
    """Read a study's folder and make its table; nothing is written.

    Raises:
        RecordError: the folder holds no study, or one that can't be read.
    """
    study = read_study(folder)
    sound, damaged = Store(folder).read()
    records = RecordSet(sound.values())
    plan = next_blocks(study, records, space_of=_known_space)
    wanted = len(records) + len({job.key for block in plan.blocks for job in block.jobs})
    table = make_table(study, records)
    return Report(folder, table, records, damaged, len(records), wanted, plan.decided, plan.cells)
