"""Print the outcome of each injected fault as a table: `python tools/fault_table.py`.

Each study is run with the fault, and then again without it. None of its records may be lost, written twice or
torn, and each must hold what that of an undisturbed run holds.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

import faults
from faults import FAULTS, Fault
from localnorm.lab.engines.choice import EngineSetup
from localnorm.lab.records.record import key
from localnorm.lab.records.store import Store
from localnorm.lab.run.compare import compare
from localnorm.lab.run.runner import run_job

HEAD = "| fault | injected how | driver ends | trials | before | after | lost | twice | torn | changed |"


@dataclass(frozen=True)
class Outcome:
    """Outcome of a study with a fault.

    Attributes:
        fault: the fault.
        ends: exit code of the driver.
        said: its stderr.
        trials: of the study.
        before: records of trials when the run with the fault had ended.
        after: the same when the study was run again.
        lost: trials without a record then.
        twice: trials that were run again though their record was there.
        torn: files there that are no sound record.
        changed: records that differ from those of an undisturbed run, except that of the trial whose record names
            the fault.
    """

    fault: Fault
    ends: int
    said: str
    trials: int
    before: int
    after: int
    lost: int
    twice: int
    torn: int
    changed: int

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong."""
        return not (self.lost or self.twice or self.torn or self.changed) and self.after == self.trials

    @property
    def line(self) -> str:
        """A line of the table."""
        ended = {0: "done", 1: "with an error"}.get(self.ends, f"by signal {-self.ends}")
        numbers = (self.trials, self.before, self.after, self.lost, self.twice, self.torn, self.changed)
        return f"| {self.fault.name} | {self.fault.how} | {ended} | {' | '.join(map(str, numbers))} |"


def undisturbed() -> Mapping[str, Any]:
    """Return the status and results of each trial by key, computed in this process."""
    records = map(run_job, faults.trials())
    return {key(record.job): (record.status, record.results) for record in records}


def suffer(name: str, at: int, folder: Path, wanted: Mapping[str, Any]) -> Outcome:
    """Run the study with a fault, and then without it.

    Args:
        name: of the fault.
        at: the seed of the trial that it strikes.
        folder: empty.
        wanted: the outcome of an undisturbed run.
    """
    fault, store = FAULTS[name], Store(folder)
    faults.prepare(folder)
    process = faults.start(folder, name, at)
    _, said = process.communicate(timeout=120)
    store.records.chmod(0o755)
    if not (folder / ".struck").exists():
        raise RuntimeError(f"{name} was not injected: {said}")
    written = {key: store.records / f"{key}.json" for key in wanted}
    before = {key: path.stat().st_mtime_ns for key, path in written.items() if path.exists()}

    for _ in compare(faults.study(), folder, EngineSetup(workers=1)):
        pass
    sound, damaged = store.read()
    found = {key: sound[key] for key in wanted if key in sound}
    # Only the record of the trial with the fault may differ, and names it.
    right = {
        key: (record.status, record.results) == wanted[key]
        or (
            record.job.seed == at
            and record.status == fault.status != "ok"
            and not record.results.get("test_error")
        )
        for key, record in found.items()
    }
    return Outcome(
        fault,
        process.returncode,
        said,
        trials=len(wanted),
        before=len(before),
        after=len(found),
        lost=len(wanted) - len(found),
        twice=sum(written[key].stat().st_mtime_ns != moment for key, moment in before.items()),
        torn=len(damaged) + len(list(store.records.glob(".*"))),
        changed=sum(not same for same in right.values()),
    )


def main() -> None:
    """Print the table; exit with 1 if an outcome is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="strike one trial of each study instead of every one")
    seeds = [1] if parser.parse_args().quick else range(faults.SEEDS)
    # As in workers: the same digits.
    torch.set_num_threads(1)
    wanted, sound = undisturbed(), True
    print(HEAD)
    print("|---" * HEAD.count(" | ") + "|---|")
    for name in FAULTS:
        for at in seeds:
            with tempfile.TemporaryDirectory() as folder:
                outcome = suffer(name, at, Path(folder), wanted)
            print(outcome.line, flush=True)
            sound = sound and outcome.sound
    sys.exit(not sound)


if __name__ == "__main__":
    main()
