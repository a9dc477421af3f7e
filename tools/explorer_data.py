"""Write the table of conventions as data of the explorer: ``python tools/explorer_data.py``.

The page docs/_extra/explorer/index.html opens without a server, where a browser reads no JSON files; so the data
are a script.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from localnorm import conventions
from localnorm.commands.convert import OUR_CODE
from localnorm.conventions import CONVENTIONS, Convention

TARGET = Path(__file__).parents[1] / "docs/_extra/explorer/conventions.js"
TORCH = {"torch": ("from localnorm.torch import LocalResponseNorm", "layer = LocalResponseNorm.from_spec({spec})")}
ROLES = ("size", "alpha", "beta", "k")
RULES = {id(getattr(conventions, name)): name for name in ("LOW", "HIGH", "WIDE", "SHORT", "ODD", "RADIUS", "ALL")}


def entry(row: Convention) -> dict[str, Any]:
    """Return one convention, for windows across channels, in plain values."""
    names = dict(zip(ROLES, row.roles, strict=True))
    region = row.regions[0]
    listed = [n for n in row.parameters if n in row.roles or (n in region and row.parameters[n] != region[n])]
    constants = {name: value for name, value in {**row.defaults, **region}.items() if name not in row.roles}
    usual = {"size": (1, math.inf)}
    bounds = {role: row.bounds.get(name, usual.get(role)) for role, name in names.items()}
    return {
        "name": row.name,
        "names": {role: name for role, name in names.items() if name in row.parameters},
        "rule": RULES[id(row.rule)],
        "divides": bool(row.divides),
        "extents": row.extents,
        "bounds": {
            role: [least, None if most == math.inf else most]
            for role, limits in bounds.items()
            if limits
            for least, most in [limits]
        },
        "fixed": {role: row.fixed[name] for role, name in names.items() if name in row.fixed},
        "listed": listed,
        # In a call with names a value is written as Python writes it, in a template as it is.
        "constants": {n: repr(v) if "{}" in row.call and n in listed else str(v) for n, v in constants.items()},
        "call": row.call,
        "even": row.even,
        "note": row.note,
        "source": row.source,
    }


def script() -> str:
    """Return the text of the script."""
    rows = ",\n".join(json.dumps(entry(row)) for row in CONVENTIONS.values())
    ours = ",\n".join(json.dumps({"name": name, "code": code}) for name, code in {**TORCH, **OUR_CODE}.items())
    return (
        '// The table of conventions; written by tools/explorer_data.py.\n"use strict";\n\n'
        f"const CONVENTIONS = [\n{rows}\n];\nconst LOCALNORM = [\n{ours}\n];\n"
    )


if __name__ == "__main__":
    TARGET.write_text(script(), encoding="utf-8")
