"""Run the default study on other seeds and count where the verdicts agree: ``python -m benchmarks.lab.agreement``.

Each study has its own folder and goes on where it was, so an interrupted run resumes.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

from localnorm.lab.analysis.table import Table
from localnorm.lab.report import read_report
from localnorm.lab.run.compare import compare
from localnorm.lab.run.settings import DEFAULT_BUDGET
from localnorm.lab.study.study import DEFAULT_NORMS, DEFAULT_TASKS, Study
from localnorm.lab.tasks import task_studies

OPPOSITE = {("better", "worse"), ("worse", "better")}
STEP = 100
"""Difference between the first seeds of two studies."""


def words(table: Table) -> dict[tuple[str, str], str]:
    """Return the comparison with none of each cell that rests on training, and the verdict on each claim."""
    trained = [row for row in table.rows if row.row.lower_is_better is not None and row.row.repeats and row.tasks]
    cells = {
        (row.row.name, cell.norm): cell.judgement.decision.word
        for row in trained
        for cell in row.cells
        if cell.judgement and cell.norm != "none" and cell.estimate
    }
    claims = {
        (f"claim, {row.row.name}", cell.norm): cell.verdict or "undecided"
        for row in table.rows
        for cell in row.cells
        if cell.claim
    }
    return {**cells, **claims}


def _relation(first: str, second: str) -> str:
    return "same" if first == second else "opposite" if (first, second) in OPPOSITE else "other"


def main() -> None:
    """Run the studies one after the other; print what each decided, and how they agree."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=3)
    parser.add_argument(
        "--budget", type=float, default=DEFAULT_BUDGET, help="seconds for each; 0 for until decided"
    )
    parser.add_argument("--out", type=Path, default=Path("build/agreement"))
    options = parser.parse_args()
    study = Study(task_studies(DEFAULT_TASKS), DEFAULT_NORMS)
    decided = []
    for number in range(options.studies):
        folder = options.out / str(number)
        folder.mkdir(parents=True, exist_ok=True)
        start = time.monotonic()
        moved = replace(
            study,
            seeds=tuple(seed + STEP * number for seed in study.seeds),
            pilot_seeds=tuple(seed + STEP * number for seed in study.pilot_seeds),
        )
        for _ in compare(moved, folder, budget=options.budget or None):
            pass
        report = read_report(folder)
        said = words(report.table)
        decided.append({place: word for place, word in said.items() if word != "undecided"})
        seconds = sum(record.timing.get("processor_seconds", 0.0) for record in report.records)
        print(
            f"seeds from {moved.seeds[0]}: {len(decided[-1])} of {len(said)} cells and claims decided in "
            f"{time.monotonic() - start:.0f} s, {seconds:.0f} processor seconds",
            flush=True,
        )
    for first, second in itertools.combinations(range(len(decided)), 2):
        both = decided[first].keys() & decided[second].keys()
        pairs = {place: (decided[first][place], decided[second][place]) for place in both}
        counts = Counter(
            "same" if a == b else "opposite" if (a, b) in OPPOSITE else "other" for a, b in pairs.values()
        )
        print(f"studies {first} and {second}: {len(both)} decided in both: {dict(counts)}")
        for place, (a, b) in sorted(pairs.items()):
            if a != b:
                print(f"  {' '.join(place)}: {a} and {b}")


if __name__ == "__main__":
    main()
