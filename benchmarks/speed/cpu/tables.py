"""Write the generated parts of the README and docs/speed.md: ``python -m benchmarks.speed.cpu.tables``.

Reads a results file, by default the newest in benchmarks/results. The pages show one shape; the file has them all.
"""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import median

from benchmarks.speed.cpu.markdown import filled, table
from benchmarks.speed.cpu.plots import charts
from benchmarks.speed.cpu.results import FOLDER, Results, Row, milliseconds, newest, ratio, read
from benchmarks.speed.cpu.targets import COMPILED, EAGER, FRESH, MAIN, TENSORFLOW, THERE, Tensors

ROOT = Path(__file__).resolve().parents[3]
PAGES = ("README.md", "docs/speed.md")
_BETA = 0.75
_MISSING = "Not measured."


def pages(results: Results, root: Path = ROOT) -> dict[Path, str]:
    """Return the text of each page and chart that shows results."""
    drawn = charts(results)
    sections = {
        "charts": "\n\n".join(f"![{title}]({name})" for name, (title, _) in drawn.items()) or _MISSING,
        "machine": machine(results),
        "faster and slower": faster_and_slower(results),
        "forward": _comparison(results, "forward"),
        "forward and backward": _comparison(results, "backward"),
        "windows": _grid(results.all(part="windows", shape=MAIN[0]), "size"),
        "dtypes": _grid(results.all(part="dtypes", shape=MAIN[0], beta=_BETA), "dtype"),
        "networks": _networks(results),
        "summary": _summary(results),
    }
    texts = {root / page: filled((root / page).read_text(encoding="utf-8"), sections) for page in PAGES}
    return texts | {root / "docs" / name: svg for name, (_, svg) in drawn.items()}


def machine(results: Results) -> str:
    """Return a sentence with the date, commit, machine and versions of the measurement."""
    first = results.first
    versions = ", ".join(f"{name} {number}" for name, number in first["versions"].items())
    threads = "1 thread" if first["threads"] == 1 else f"{first['threads']} threads"
    words = (
        f"Measured on {first['date']} at commit {first['commit']}; {first['processor']}, {threads}; {versions}."
    )
    return textwrap.fill(words, 115)


def faster_and_slower(results: Results) -> str:
    """Return a paragraph on where localnorm is faster, and a list of the cases in which it is slower.

    Compared are a fresh output with baselines that make one, and NumPy's ``out=`` with those that write to memory
    that is already there; forward and backward, both layouts, every shape, window, dtype and number of threads.
    """
    fields = ("part", "comparison", "measure", "layout", "dtype", "size", "output")
    groups: dict[tuple[object, ...], list[Row]] = {}
    for row in results.records:
        if (
            {"shape", "copies", "output"} <= row.keys()
            and row.get("accurate", True)
            and row["implementation"] != "relu"
        ):
            groups.setdefault(tuple(row[name] for name in fields), []).append(row)
    factors, slower = [], []
    for rows in groups.values():
        by_name = {row["implementation"]: row for row in rows}
        ours = by_name.get(FRESH) or by_name.get(THERE)
        baselines = [row for name, row in by_name.items() if not name.startswith(FRESH) and name != "copy"]
        if ours is None or not baselines:
            continue
        factor, name = min((ratio(row, ours) or 0.0, row["implementation"]) for row in baselines)
        factors.append(factor)
        if factor < 1:
            case = [ours[field] for field in ("shape", "measure", "layout", "dtype")]
            case += [f"window {ours['size']}", f"beta {ours['beta']}"]
            case += ["one thread"] * (ours["threads"] == 1) + ["into existing memory"] * (
                ours["output"] != "fresh"
            )
            slower.append(f"- {', '.join(case)}: {name} takes {factor:.2f} of the time.")
    if not factors:
        return _MISSING
    faster = [factor for factor in factors if factor >= 1]
    paragraph = (
        f"In {len(faster)} of {len(factors)} comparisons localnorm is at least as fast as the fastest accurate "
        f"baseline: {median(faster or [1]):.1f} times as fast in the median, {max(faster or [1]):.0f} at most."
    )
    if slower:
        paragraph += " It is slower in the others:"
    return "\n\n".join([textwrap.fill(paragraph, 115), *(["\n".join(slower)] if slower else [])])


def _comparison(results: Results, part: str) -> str:
    """Return time, copies, error and time divided by localnorm's in the same layout, by implementation."""
    comparison = f"{MAIN[0]}, beta {_BETA}"
    records = list(results.all(part=part, comparison=comparison))
    if not records:
        return _MISSING
    ours = {row["layout"]: row for row in records if row["implementation"] == FRESH}
    rows = []
    for record in records:
        head = [record["implementation"], record["layout"]]
        if "left_out" in record:
            rows.append([*head, f"left out: {record['left_out']}", "", "", ""])
            continue
        error = "" if "error" not in record else f"{record['error']:.1f}"
        if not record.get("accurate", True):
            error = f"**{error}, inaccurate**"
        times = ratio(record, ours.get(record["layout"]))
        rows.append([*head, _number(milliseconds(record)), f"{record['copies']:.2f}", error, _number(times)])
    return table(["", "layout", "ms", "copies", "error, epsilons", "time / localnorm"], rows)


def _grid(records: Iterable[Row], field: str) -> str:
    """Return milliseconds by implementation and layout (rows) and by the values of a field (columns)."""
    known = [r for r in records if "milliseconds" in r and r.get("beta") == _BETA]
    values = sorted({r[field] for r in known}, key=str if field == "dtype" else None)
    if not known:
        return _MISSING
    rows = []
    for implementation, layout in dict.fromkeys((r["implementation"], r["layout"]) for r in known):
        found = {r[field]: r for r in known if (r["implementation"], r["layout"]) == (implementation, layout)}
        cells = (_number(milliseconds(found.get(value))) for value in values)
        marks = ("" if found.get(value, {}).get("accurate", True) else " inaccurate" for value in values)
        rows.append([implementation, layout, *(cell + mark for cell, mark in zip(cells, marks, strict=True))])
    return table(["ms", "layout", *map(str, values)], rows)


def _networks(results: Results) -> str:
    rows = []
    for record in results.all(part="networks"):
        whole = next(results.all(part="networks", comparison=record["comparison"]))
        cells = (_number(milliseconds(record)), _number(ratio(record, whole)))
        rows.append([record["comparison"], record["implementation"], *cells])
    return table(["", "", "ms", "time / first row"], rows) if rows else _MISSING


def _summary(results: Results) -> str:
    """Return the README's table, with its caption."""
    tensors = Tensors(results, MAIN[0], _BETA)
    threads = results.first["threads"]
    cpu = f"{threads} CPU thread{'s' * (threads > 1)}"
    both = {"part": "backward", "measure": "forward and backward"}
    last = {"layout": "NHWC"}
    rows = [
        ["torch eager", tensors.faster(EAGER), tensors.faster(EAGER, **both)],
        ["the fastest torch.compile", tensors.faster(COMPILED), tensors.faster(COMPILED, **both)],
        ["TensorFlow", tensors.faster(TENSORFLOW, **last), tensors.faster(TENSORFLOW, **last, **both)],
        ["JAX, the formula with slices", tensors.faster("JAX"), tensors.faster("JAX", **both)],
        ["onnxruntime", tensors.faster("onnxruntime", THERE), None],
        ["OpenVINO", tensors.faster("OpenVINO", THERE), None],
        ["OpenCV", tensors.faster("OpenCV"), None],
    ]
    cells = [[str(row[0]), *(_number(n) if isinstance(n, float) else "" for n in row[1:])] for row in rows]
    caption = f"Speedup of localnorm over other implementations ({MAIN[0]}, {cpu}):"
    return f"{caption}\n\n{table(['', 'forward', 'forward + backward'], cells)}"


def _number(number: float | None) -> str:
    """Return three digits."""
    if number is None:
        return ""
    return f"{number:.0f}" if number >= 100 else f"{number:.3g}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the pages."""
    parser = argparse.ArgumentParser("python -m benchmarks.speed.cpu.tables", description=__doc__)
    parser.add_argument("file", nargs="?", type=Path, default=newest(), help="of results; the newest by default")
    path: Path | None = parser.parse_args(arguments).file
    if path is None:
        raise SystemExit(f"{FOLDER.name} has no results; run python -m benchmarks.speed.cpu first.")
    for page, text in pages(read(path)).items():
        page.write_text(text, encoding="utf-8")
        print(f"wrote {page.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
