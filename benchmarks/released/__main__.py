"""Measure where released LRN implementations are wrong: ``python -m benchmarks.released`` writes docs/released.md.

The page, and the JSON in benchmarks/results, hold what this run measured; a cause appears only next to a measured
error.
"""

from __future__ import annotations

import ast
import json
import platform
import textwrap
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.released.causes import CAUSES, cause
from benchmarks.released.checks import CHECKS, IMPLEMENTATIONS, Section
from benchmarks.released.implementations import RELEASED
from localnorm import __version__
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


def _with_other_environments(results: dict[str, Any], sections: list[Section]) -> dict[str, str]:
    """Add the rows of implementations that another environment measured on this day; return every version."""
    versions = {name: one.version or __version__ for name, one in IMPLEMENTATIONS.items()}
    missing = [name for name in results.get("versions", {}) if name not in versions]
    order = {name: place for place, name in enumerate([*RELEASED, "localnorm.torch"])}
    for section in sections:
        other = results["checks"][section.key] if missing else {}
        for name in missing:
            if name in other["rows"]:
                section.add(name, other["rows"][name], wrong=name in other["wrong"])
        section.rows = dict(sorted(section.rows.items(), key=lambda row: order[row[0]]))
    return versions | {name: results["versions"][name] for name in missing}


def changes(before: dict[str, Any], day: str, versions: dict[str, str], sections: list[Section]) -> str:
    """Return what differs from an earlier measurement: versions, errors fixed, and new errors."""
    lines, errors = [], []
    for name, version in versions.items():
        old = before["versions"].get(name)
        if old != version and name in RELEASED:
            lines.append(f"- {name}: {version}, {f'was {old}' if old else 'not measured before'}.")
    for section in sections:
        check = before["checks"].get(section.key, {"rows": {}, "wrong": []})
        known = section.rows.keys() & check["rows"].keys()
        for word, names in (
            ("fixed", known & set(check["wrong"]) - section.wrong),
            ("wrong since", known & section.wrong - set(check["wrong"])),
        ):
            errors += [f"- {section.title}: {name} is {word}." for name in sorted(names)]
    errors = errors or ["- No error was fixed, and none is new."]
    return "\n".join(["## Changes", "", f"Compared with the measurement of {day}:", "", *lines, *errors, ""])


def reports() -> str:
    """Return the list of scripts that show each finding to its maintainers."""
    lines = [
        "## Reports",
        "",
        _wrapped(
            "Each script needs only the framework that it is about and prints what is expected and what comes "
            "out: run it by `python docs/reports/NAME.py`. An output of 0 because a float32 square overflows has "
            "none: it follows from the formula in float32."
        ),
        "",
    ]
    for path in sorted((ROOT / "docs" / "reports").glob("*.py")):
        title = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        lines.append(_wrapped(f"- `{path.name}`: {title.partition(chr(10))[0]}", "  "))
    return "\n".join([*lines, ""])


def page(sections: list[Section], day: str, versions: dict[str, str]) -> str:
    """Return the page without its last section."""
    packages = {name: one.packages[0] for name, one in RELEASED.items()}
    named = (f"{packages.get(name, 'localnorm')} {version}" for name, version in versions.items())
    listed = ", ".join(dict.fromkeys(named))
    machine = f"{platform.system()}, {provenance()['processor']}"
    head = [
        "# Where released LRN implementations are wrong",
        _wrapped(f"Measured on {day} with {listed}, on the CPU ({machine})."),
        _wrapped(
            "Each implementation gets the arguments from `LRNSpec.to_framework` and is compared with the "
            "float64 reference; numbers are relative errors. Wrong results are bold, with the name of their "
            "cause, which is explained at the end. Sources were read at the latest available version, which "
            "need not be the installed one. `make released` repeats the measurement and writes this page, with "
            "the rows that another environment measured on the same day; "
            "`tests/benchmarks/test_released.py` fails if an installed release no longer errs in this way."
        ),
    ]
    return "\n".join(["\n\n".join(head), "", *map(markdown, sections), causes(sections)])


def main() -> None:
    """Measure, write the page and the results."""
    day = datetime.now(UTC).date().isoformat()
    sections = [check() for check in CHECKS]
    folder = ROOT / "benchmarks" / "results"
    folder.mkdir(exist_ok=True)
    results = folder / f"released-{day}.json"
    today = json.loads(results.read_text(encoding="utf-8")) if results.exists() else {}
    versions = _with_other_environments(today, sections)
    text = page(sections, day, versions)
    earlier = [path for path in sorted(folder.glob("released-*.json")) if path < results]
    if earlier:
        before = json.loads(earlier[-1].read_text(encoding="utf-8"))
        text += "\n" + changes(before, earlier[-1].stem.removeprefix("released-"), versions, sections)
    text += "\n" + reports()
    (ROOT / "docs" / "released.md").write_text(text.rstrip("\n") + "\n", encoding="utf-8")
    found = {
        "versions": versions,
        "checks": {s.key: {"columns": s.columns, "rows": s.rows, "wrong": sorted(s.wrong)} for s in sections},
    }
    results.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(f"wrote docs/released.md and {results.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
