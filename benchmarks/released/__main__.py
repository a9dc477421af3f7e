"""Measure where released LRN implementations are wrong: ``python -m benchmarks.released`` writes docs/released.md.

The page, and the JSON in benchmarks/results, hold what this run measured; a cause appears only next to a measured
error.
"""

from __future__ import annotations

import json
import platform
import textwrap
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.released.causes import CAUSES, cause
from benchmarks.released.checks import CHECKS, IMPLEMENTATIONS, Section
from localnorm.lab.records.provenance import provenance

ROOT = Path(__file__).resolve().parents[2]


def markdown(section: Section) -> str:
    """Return a section of the page."""
    lines = [f"## {section.title}", "", _wrapped(section.text), ""]
    lines += [f"| implementation | {' | '.join(section.columns)} | |", "|---" * (len(section.columns) + 2) + "|"]
    for name, cells in section.rows.items():
        wrong = name in section.wrong
        reason = (cause(section.key, name) or "cause unknown") if wrong else ""
        lines.append(f"| {f'**{name}**' if wrong else name} | {' | '.join(cells)} | {reason} |")
    return "\n".join([*lines, ""])


def causes(sections: list[Section]) -> str:
    """Return the causes of what these sections measured, and of nothing else."""
    found: dict[str, set[str]] = {}
    for section in sections:
        for name in section.wrong:
            found.setdefault(cause(section.key, name), set()).add(name)
    lines = []
    for label, why in CAUSES.items():
        if label in found:
            readers: dict[str, list[str]] = {}
            for name, file in why.files.items():
                if name in found[label] and file:
                    readers.setdefault(f"`{file}`", []).append(name)
            read = "; ".join(f"{file} ({', '.join(names)})" for file, names in readers.items())
            where = f"Read in source: {read}." if read else "Measured, not read in source."
            lines.append(_wrapped(f"- **{label}**: {why.text} {where}", "  "))
    return "\n".join(["## Causes", "", *lines, ""])


def _wrapped(text: str, indent: str = "") -> str:
    return textwrap.fill(text, 117, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def page(sections: list[Section], day: str) -> str:
    """Return the page."""
    versions = ", ".join(dict.fromkeys(f"{one.packages[0]} {one.version}" for one in IMPLEMENTATIONS.values()))
    machine = f"{platform.system()}, {provenance()['processor']}"
    head = [
        "# Where released LRN implementations are wrong",
        _wrapped(f"Measured on {day} with {versions}, on the CPU ({machine})."),
        _wrapped(
            "Each implementation gets the arguments from `LRNSpec.to_framework` and is compared with the "
            "float64 reference; numbers are relative errors. Wrong results are bold, with the name of their "
            "cause, which is explained at the end. Sources were read at the latest available version, which "
            "need not be the installed one. `make released` repeats the measurement and writes this page; "
            "`tests/benchmarks/test_released.py` fails if an installed release no longer errs in this way."
        ),
    ]
    return "\n".join(["\n\n".join(head), "", *map(markdown, sections), causes(sections)])


def main() -> None:
    """Measure, write the page and the results."""
    day = datetime.now(UTC).date().isoformat()
    sections = [check() for check in CHECKS]
    (ROOT / "docs" / "released.md").write_text(page(sections, day).rstrip("\n") + "\n", encoding="utf-8")
    results = ROOT / "benchmarks" / "results" / f"released-{day}.json"
    results.parent.mkdir(exist_ok=True)
    found = {
        "versions": {name: one.version for name, one in IMPLEMENTATIONS.items()},
        "checks": {s.key: {"columns": s.columns, "rows": s.rows, "wrong": sorted(s.wrong)} for s in sections},
    }
    results.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(f"wrote docs/released.md and {results.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
