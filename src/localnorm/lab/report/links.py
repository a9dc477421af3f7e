"""Where a report's pages and numbers lead: file names, and the records behind each number."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from localnorm.lab.records.record import Job, Probe, Record, Trial
from localnorm.lab.report.wording import counted, plain

REPORT_HTML, TABLE_JSON, PLOTLY_JS = "report.html", "table.json", "plotly.min.js"
_LONGEST = 60
_MOST_LISTED = 500
"""Records behind one number that a page links to one by one; nobody reads more, and a browser should not."""


def page_names(tasks: Sequence[str]) -> dict[str, str]:
    """Return the file name of each task's page: letters, digits and hyphens, no two the same.

    Example:
        >>> page_names(["digits", "data:/My pictures?side=8", "data:/my-pictures?side=8"])
        {'digits': 'report-digits.html', 'data:/My pictures?side=8': 'report-data-my-pictures-side-8.html',
         'data:/my-pictures?side=8': 'report-data-my-pictures-side-8-2.html'}
    """
    names: dict[str, str] = {}
    for task in tasks:
        # The end of a path says more than its start.
        base = re.sub(r"[^a-z0-9]+", "-", task.lower()).strip("-")[-_LONGEST:].strip("-") or "task"
        name, count = f"report-{base}.html", 1
        while name in names.values():
            count += 1
            name = f"report-{base}-{count}.html"
        names[task] = name
    return names


@dataclass(frozen=True)
class Behind:
    """Records of one setting behind a number.

    Attributes:
        what: the task or the probe, the norm and the setting, in words.
        files: what tells each record from the others, with its file.
    """

    what: str
    files: tuple[tuple[str, str], ...]


@dataclass
class Evidence:
    """The lists of records that a page's numbers link to; a list is made when it is first linked to.

    Args:
        records: by key.
        pages: the file name of each task's page, which list the records of numbers over several tasks.
    """

    records: Mapping[str, Record]
    pages: Mapping[str, str]
    _places: dict[tuple[str, ...], int] = field(default_factory=dict)
    _links: dict[tuple[str, ...], str] = field(default_factory=dict)

    def href(self, keys: tuple[str, ...]) -> str:
        """Return the link to the list of these records; empty where there are none."""
        if keys not in self._links:
            known = tuple(sorted(filter(self.records.__contains__, keys)))
            place = self._places.setdefault(known, len(self._places) + 1) if known else None
            self._links[keys] = f"#records-{place}" if place else ""
        return self._links[keys]

    @property
    def lists(self) -> tuple[tuple[int, tuple[Behind, ...]], ...]:
        """Every list that was linked to, with its number."""
        return tuple((place, self._grouped(keys)) for keys, place in self._places.items())

    def _grouped(self, keys: Sequence[str]) -> tuple[Behind, ...]:
        jobs = [(name, self.records[name].job) for name in keys]
        tasks = Counter(job.task for _, job in jobs if isinstance(job, Trial))
        if len(tasks) > 1:
            return tuple(
                Behind(
                    f"{task}: {counted(count, 'record')}", (("listed on its page", f"{self.pages[task]}#records"),)
                )
                for task, count in tasks.items()
                if task in self.pages
            )
        if len(jobs) > _MOST_LISTED:
            alike = Counter(_short(job) for _, job in jobs)
            return tuple(
                Behind(f"{what}: {counted(count, 'record')}", (("named beside the number", TABLE_JSON),))
                for what, count in sorted(alike.items())
            )
        groups: dict[str, list[tuple[int, str, str]]] = {}
        for name, job in jobs:
            if isinstance(job, Trial):
                groups.setdefault(_trial(job), []).append((job.seed, f"seed {job.seed}", f"records/{name}.json"))
            else:
                groups.setdefault(_probe(job), []).append((0, "record", f"records/{name}.json"))
        return tuple(
            Behind(what, tuple((told, file) for _, told, file in sorted(files)))
            for what, files in sorted(groups.items())
        )


def _short(job: Job) -> str:
    return f"{job.task}, {job.norm}" if isinstance(job, Trial) else _probe(job)


def _trial(trial: Trial) -> str:
    settings = "".join(f", {name} {plain(value)}" for name, value in trial.settings)
    return (
        f"{trial.task}, {trial.norm}: learning rate {plain(trial.learning_rate)}, batches of {trial.batch_size}, "
        f"epochs {trial.epochs}{settings}"
    )


def _probe(probe: Probe) -> str:
    return f"probe of {probe.name}: {', '.join(probe.norms)}"
