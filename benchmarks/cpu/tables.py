"""Write the tables and pictures of the documentation from a file of results: ``python -m benchmarks.cpu.tables``.

Without an argument it takes the newest file in benchmarks/results. No number on those pages is typed by hand.
"""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmarks.cpu.markdown import filled, table
from benchmarks.cpu.plots import pictures
from benchmarks.cpu.results import FOLDER, Record, Results, milliseconds, newest, ratio, read
from benchmarks.cpu.targets import (
    COMPILED,
    EAGER,
    FRESH,
    MAIN,
    SMALLEST,
    TENSORFLOW,
    THERE,
    Tensors,
    target_tables,
)

ROOT = Path(__file__).resolve().parents[2]
PAGES = ("README.md", "docs/speed.md")
_BETA = 0.75


def pages(results: Results, root: Path = ROOT) -> dict[Path, str]:
    """Return the text of each page and picture that holds results."""
    drawn = pictures(results)
    written = {
        "pictures": "\n\n".join(f"![{words}]({name})" for name, (words, _) in drawn.items()) or _MISSING,
        "machine": machine(results),
        "targets": target_tables(results),
        "forward": _rivals(results, "forward"),
        "forward and backward": _rivals(results, "backward"),
        "windows": _grid(results.all(part="windows", shape=MAIN[0]), "size"),
        "dtypes": _grid(results.all(part="dtypes", shape=MAIN[0], beta=_BETA), "dtype"),
        "one thread": _rivals(results, "one-thread"),
        "networks": _networks(results),
        "summary": _summary(results),
    }
    texts = {root / page: filled((root / page).read_text(encoding="utf-8"), written) for page in PAGES}
    return texts | {root / "docs" / name: picture for name, (_, picture) in drawn.items()}


def machine(results: Results) -> str:
    """Return a sentence on where and with what it was measured."""
    first = results.first
    versions = ", ".join(f"{name} {number}" for name, number in first["versions"].items())
    threads = "1 thread" if first["threads"] == 1 else f"{first['threads']} threads"
    words = (
        f"Measured on {first['date']} at commit {first['commit']}; {first['processor']}, {threads}; {versions}."
    )
    return textwrap.fill(words, 115)


def _rivals(results: Results, part: str) -> str:
    """Return a table of each contest of a part, of the main shapes and the smallest; the file has the others."""
    records = (record for record in results.all(part=part) if record["shape"] in (*MAIN, SMALLEST))
    contests = dict.fromkeys(record["contest"] for record in records)
    return (
        "\n\n".join(
            f"**{contest}**\n\n{_contest(list(results.all(part=part, contest=contest)))}" for contest in contests
        )
        or _MISSING
    )


_MISSING = "Not measured."


def _contest(records: list[Record]) -> str:
    """Return each rival's time, copies, error, and how many times as fast ours is in the same layout."""
    ours = {r["layout"]: r for r in records if r["rival"] == FRESH}
    rows = []
    for record in records:
        head = [record["rival"], record["layout"]]
        if "left_out" in record:
            rows.append([*head, f"left out: {record['left_out']}", "", "", ""])
            continue
        error = "" if "error" not in record else f"{record['error']:.1f}"
        if not record.get("accurate", True):
            error = f"**{error}, inaccurate**"
        times = ratio(record, ours.get(record["layout"]))
        rows.append([*head, _number(milliseconds(record)), f"{record['copies']:.2f}", error, _number(times)])
    return table(["", "layout", "ms", "copies", "error, epsilons", f"in {FRESH}"], rows)


def _grid(records: Iterable[Record], field: str) -> str:
    """Return milliseconds, a row for each rival and layout and a column for each value of a field."""
    known = [r for r in records if "milliseconds" in r and r.get("beta") == _BETA]
    values = sorted({r[field] for r in known}, key=str if field == "dtype" else None)
    if not known:
        return _MISSING
    rows = []
    for rival, layout in dict.fromkeys((r["rival"], r["layout"]) for r in known):
        found = {r[field]: r for r in known if (r["rival"], r["layout"]) == (rival, layout)}
        cells = (_number(milliseconds(found.get(value))) for value in values)
        marks = ("" if found.get(value, {}).get("accurate", True) else " inaccurate" for value in values)
        rows.append([rival, layout, *(cell + mark for cell, mark in zip(cells, marks, strict=True))])
    return table(["ms", "layout", *map(str, values)], rows)


def _networks(results: Results) -> str:
    rows = []
    for record in results.all(part="networks"):
        whole = next(results.all(part="networks", contest=record["contest"]))
        rows.append(
            [record["contest"], record["rival"], _number(milliseconds(record)), _number(ratio(record, whole))]
        )
    return table(["", "", "ms", "in the first"], rows) if rows else _MISSING


def _summary(results: Results) -> str:
    """Return the README's table."""
    tensors = Tensors(results, MAIN[0], _BETA)
    both = {"part": "backward", "measure": "forward and backward"}
    last = {"layout": "NHWC"}
    rows = [
        ["torch eager", tensors.faster(EAGER), tensors.faster(EAGER, **both)],
        ["the fastest torch.compile", tensors.faster(COMPILED), tensors.faster(COMPILED, **both)],
        ["TensorFlow", tensors.faster(TENSORFLOW, **last), tensors.faster(TENSORFLOW, **last, **both)],
        ["JAX, sum of slices", tensors.faster("JAX"), tensors.faster("JAX", **both)],
        ["onnxruntime", tensors.faster("onnxruntime", THERE), None],
        ["OpenVINO", tensors.faster("OpenVINO", THERE), None],
        ["OpenCV", tensors.faster("OpenCV"), None],
    ]
    cells = [[str(row[0]), *(_number(n) if isinstance(n, float) else "" for n in row[1:])] for row in rows]
    return table([f"times as fast, {MAIN[0]}", "forward", "and backward"], cells)


def _number(number: float | None) -> str:
    """Return three digits."""
    if number is None:
        return ""
    return f"{number:.0f}" if number >= 100 else f"{number:.3g}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the pages."""
    parser = argparse.ArgumentParser("python -m benchmarks.cpu.tables", description=__doc__)
    parser.add_argument("file", nargs="?", type=Path, default=newest(), help="of results; the newest by default")
    path: Path | None = parser.parse_args(arguments).file
    if path is None:
        raise SystemExit(f"{FOLDER.name} holds no results: run python -m benchmarks.cpu first.")
    for page, text in pages(read(path)).items():
        page.write_text(text, encoding="utf-8")
        print(f"wrote {page.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
