"""The frame of the package: public names, what an import loads, which file may import which, and sizes."""

from __future__ import annotations

import ast
import re
import statistics
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from localnorm import errors

# One floor a line, from the top of the house down: a file imports from its own room or from floors above it.
# Rooms on one floor are divided by | and do not know each other. A name stands for the module and all that is in
# it; one that has rooms of its own (localnorm, lab) stands for its __init__ alone.
HOUSE = """
    errors
    conventions
    spec
    reference
    kernels
    numpy | torch | jax | keras
    localnorm
    lab
    lab.records | lab.provenance | lab.statistics
    lab.store
    lab.study lab.study_folder
    lab.search lab.norms
    lab.models
    lab.tasks
    lab.train | lab.probes
    lab.jobs lab.engine lab.plan lab.compare
    lab.claims | lab.measures
    lab.judge lab.table
    lab.report
    commands
    cli
"""
FLOORS = [[room.split() for room in line.split("|")] for line in HOUSE.strip().splitlines()]
PLACES = {name: (i, j) for i, floor in enumerate(FLOORS) for j, room in enumerate(floor) for name in room}

# A report can be made anywhere from a folder of records, and a spec converted: none of these needs torch.
TORCHLESS = [
    "errors",
    "conventions",
    "spec",
    "reference",
    "lab.records",
    "lab.store",
    "lab.study",
    "lab.statistics",
    "lab.claims",
    "lab.measures",
    "lab.judge",
    "lab.table",
    "lab.report",
]

TESTS = Path(__file__).parent
SOURCE = TESTS.parent / "src"


def _module(path: Path) -> str:
    """Return the module's name without ``localnorm.``; the package itself keeps its name."""
    parts = path.relative_to(SOURCE / "localnorm").with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__") or "localnorm"


FILES = {_module(path): path for path in sorted((SOURCE / "localnorm").rglob("*.py"))}
every_module = pytest.mark.parametrize("module", FILES)
every_file = pytest.mark.parametrize(
    "path", [*FILES.values(), *sorted(TESTS.rglob("*.py"))], ids=lambda path: str(path.relative_to(TESTS.parent))
)


def _imports(module: str) -> Iterator[str]:
    """Yield every module that the file imports, at any depth, ours as in FILES and others by their full name."""
    for node in ast.walk(ast.parse(FILES[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} line {node.lineno}: imports are absolute here"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            ours = name.removeprefix("localnorm.")
            if ours == name and name != "localnorm":
                yield name
            else:  # the last part may be a name in a module and not a module
                parent = ours.rpartition(".")[0] or "localnorm"
                yield ours if ours in FILES else parent


def _place(module: str) -> tuple[int, int] | None:
    """Return the floor and the room of a module of ours, None where it has none."""
    for name in (module, *(module[: m.start()] for m in reversed(list(re.finditer(r"\.", module))))):
        whole = not any(other.startswith(name + ".") for other in PLACES)
        if name in PLACES and (whole or name == module):
            return PLACES[name]
    return None


@every_module
def test_every_file_has_a_room(module: str):
    assert _place(module), f"{module} is in no room: add it to HOUSE"


@every_module
def test_imports_go_one_way(module: str):
    floor, room = _place(module)
    for imported in _imports(module):
        if imported not in FILES:
            continue
        other_floor, other_room = _place(imported)
        assert (other_floor, other_room) == (floor, room) or other_floor < floor, (
            f"{module} imports {imported}, which is {'next door' if other_floor == floor else 'below it'}"
        )


def _reached_from(module: str) -> dict[str, str]:
    """Return all that importing the module imports, each with the chain of imports that leads there."""
    chains, waiting = {module: module}, [module]
    while waiting:
        current = waiting.pop()
        # Importing a.b.c imports a and a.b first.
        parents = [current[: m.start()] for m in re.finditer(r"\.", current)] + ["localnorm"]
        for name in (*_imports(current), *parents):
            if name not in chains:
                chains[name] = f"{chains[current]} -> {name}"
                if name in FILES:
                    waiting.append(name)
    return chains


torchless_modules = pytest.mark.parametrize(
    "module", [m for m in FILES if any(m == name or m.startswith(name + ".") for name in TORCHLESS)]
)


@torchless_modules
def test_needs_no_torch_by_its_text(module: str):
    chains = [chain for name, chain in _reached_from(module).items() if re.match(r"torch(\.|$)|lightning", name)]
    assert not chains


def _python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("name", [name for name in TORCHLESS if name in FILES])
def test_needs_no_torch_when_it_runs(name: str):
    modules = [f"localnorm.{m}" for m in FILES if m == name or m.startswith(name + ".")]
    _python(f"import sys; sys.modules['torch'] = None; import {', '.join(modules)}")


def test_import_localnorm_is_light():
    heavy = (
        "torch tensorflow jax keras sklearn scipy rich typer plotly pandas lightning_fabric torchmetrics jinja2"
    )
    loaded = _python(f"import sys, localnorm; print([m for m in {heavy.split()} if m in sys.modules])")
    assert loaded == "[]"


def test_the_torch_door_without_torch():
    code = """
        import sys
        sys.modules["torch"] = None
        from localnorm.errors import MissingExtraError
        try:
            import localnorm.torch
        except MissingExtraError as error:
            print(error)
    """
    said = _python(re.sub(r"^ {8}", "", code, flags=re.MULTILINE))
    assert "needs PyTorch" in said
    assert "pip install 'localnorm[torch]'" in said


@pytest.mark.parametrize(
    ("module", "names"),
    [
        ("localnorm", ["LRNSpec", "LocalnormError", "__version__"]),
        ("localnorm.torch", ["LocalResponseNorm", "local_response_norm"]),
    ],
)
def test_public_names(module: str, names: list[str]):
    imported = import_module(module)
    assert sorted(imported.__all__) == names
    assert all(hasattr(imported, name) for name in names)


@every_module
def test_no_assert(module: str):
    """Python -O removes it, and its error is not one of ours."""
    tree = ast.walk(ast.parse(FILES[module].read_text(encoding="utf-8")))
    assert [node.lineno for node in tree if isinstance(node, ast.Assert)] == []


def _lines(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


@every_file
def test_file_is_short_enough_to_read(path: Path):
    assert _lines(path) <= 400


def test_files_are_short_as_a_rule():
    assert statistics.median(_lines(path) for path in FILES.values()) <= 130


ERRORS = [kind for kind in vars(errors).values() if isinstance(kind, type) and kind is not errors.LocalnormError]


@pytest.mark.parametrize("kind", ERRORS, ids=lambda kind: kind.__name__)
def test_errors_are_built_in_errors_too(kind: type[Exception]):
    assert issubclass(kind, errors.LocalnormError)
    assert issubclass(kind, (ValueError, TypeError, ImportError))
    built_in = ", ".join(base.__name__ for base in kind.__bases__ if base.__module__ == "builtins")
    drawn = rf"── {kind.__name__}{re.escape(f' ({built_in})') if built_in else ''} {{2,}}\S"
    assert re.search(drawn, errors.__doc__), f"the tree in the docstring must draw {kind.__name__} and its bases"
