"""File names of the pages, and the lists of records that the numbers link to."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from localnorm.lab.measures.row import short_name
from localnorm.lab.records.record import Job, Probe, Record, Trial
from localnorm.lab.report.wording import counted, plain

REPORT_HTML, TABLE_JSON, PLOTLY_JS = "report.html", "table.json", "plotly.min.js"
_LONGEST = 60
_MOST_LISTED = 500
"""Records behind one number that a page links to one by one."""


def page_names(tasks: Sequence[str]) -> dict[str, str]:
    """Return the file name of each task's page: letters, digits and hyphens, no two the same.

    Example:
        >>> page_names(["digits", "data:/My images?side=8", "data:/my-images?side=8"])
        {'digits': 'report-digits.html', 'data:/My images?side=8': 'report-data-my-images-side-8.html',
         'data:/my-images?side=8': 'report-data-my-images-side-8-2.html'}
    """
    names: dict[str, str] = {}
    for task in tasks:
        # The end of a path is more specific than its start.
        base = re.sub(r"[^a-z0-9]+", "-", task.lower()).strip("-")[-_LONGEST:].strip("-") or "task"
        name, count = f"report-{base}.html", 1
        while name in names.values():
            count += 1
            name = f"report-{base}-{count}.html"
        names[task] = name
    return names


@dataclass(frozen=True)
class RecordGroup:
    """Records of one setting behind a number.

    Attributes:
        label: the task or the probe, the norm and the setting, in words.
        files: a label and a file for each record, or for a page that lists them.
    """

    label: str
    files: tuple[tuple[str, str], ...]


@dataclass
class RecordLinks:
    """The lists of records that a page's numbers link to; a list is made when it is first linked to.

    Args:
        records: by key.
        pages: the file name of each task's page, which lists the records of numbers over several tasks.
    """

    records: Mapping[str, Record]
    pages: Mapping[str, str]
    _numbers: dict[tuple[str, ...], int] = field(default_factory=dict)
    _hrefs: dict[tuple[str, ...], str] = field(default_factory=dict)

    def href(self, keys: tuple[str, ...]) -> str:
        """Return the link to the list of these records; empty if there are none."""
        if keys not in self._hrefs:
            known = tuple(sorted(filter(self.records.__contains__, keys)))
            number = self._numbers.setdefault(known, len(self._numbers) + 1) if known else None
            self._hrefs[keys] = f"#records-{number}" if number else ""
        return self._hrefs[keys]

    @property
    def lists(self) -> tuple[tuple[int, tuple[RecordGroup, ...]], ...]:
        """Every list that was linked to, with its number."""
        return tuple((number, self._grouped(keys)) for keys, number in self._numbers.items())

    def _grouped(self, keys: Sequence[str]) -> tuple[RecordGroup, ...]:
        jobs = [(name, self.records[name].job) for name in keys]
        tasks = Counter(job.task for _, job in jobs if isinstance(job, Trial))
        if len(tasks) > 1:
            return tuple(
                _counted(short_name(task), tasks[task], "listed on its page", f"{page}#records")
                for task, page in self.pages.items()
                if task in tasks
            )
        if len(jobs) > _MOST_LISTED:
            alike = Counter(_short(job) for _, job in jobs)
            return tuple(
                _counted(label, count, "named beside the number", TABLE_JSON)
                for label, count in sorted(alike.items())
            )
        groups: dict[str, list[tuple[int, str, str]]] = {}
        for name, job in jobs:
            seed, label = (job.seed, f"seed {job.seed}") if isinstance(job, Trial) else (0, "record")
            groups.setdefault(_setting(job), []).append((seed, label, f"records/{name}.json"))
        return tuple(
            RecordGroup(label, tuple((text, file) for _, text, file in sorted(files)))
            for label, files in sorted(groups.items())
        )


def _counted(label: str, count: int, where: str, file: str) -> RecordGroup:
    return RecordGroup(f"{label}: {counted(count, 'record')}", ((where, file),))


def _short(job: Job) -> str:
    return f"{short_name(job.task)}, {job.norm}" if isinstance(job, Trial) else _setting(job)


def _setting(job: Job) -> str:
    if isinstance(job, Probe):
        return f"probe of {job.name}: {', '.join(job.norms)}"
    settings = "".join(f", {name} {plain(value)}" for name, value in job.settings)
    return (
        f"{_short(job)}: learning rate {plain(job.learning_rate)}, batches of {job.batch_size}, "
        f"epochs {job.epochs}{settings}"
    )
