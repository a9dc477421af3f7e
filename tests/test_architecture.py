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
    errors spelling
    conventions
    frameworks
    conversion
    spec
    axes learnable
    reference
    kernels
    numpy | torch | jax
    keras
    localnorm
    lab
    lab.plugins | lab.records | lab.engines
    lab.study
    lab.monitoring
    lab.norms | lab.data
    lab.models
    lab.tasks
    lab.training | lab.probes
    lab.measures
    lab.analysis
    lab.tuning
    lab.run | lab.report
    commands
    cli __main__
"""
FLOORS = [[room.split() for room in line.split("|")] for line in HOUSE.strip().splitlines()]

# A report can be made anywhere from a folder of records, and a spec converted: none of these needs torch.
TORCHLESS = """
    errors spelling conventions frameworks conversion spec axes learnable reference kernels numpy
    lab.records lab.study lab.data lab.monitoring.watcher lab.monitoring.events lab.monitoring.status lab.measures lab.analysis lab.tuning lab.report
"""
TORCH = re.compile(r"(torch|torchmetrics|lightning\w*)(\.|$)")

HEAVY = {
    "numba",
    "llvmlite",
    "torch",
    "tensorflow",
    "jax",
    "keras",
    "sklearn",
    "skimage",
    "faster_coco_eval",
    "PIL",
    "scipy",
    "rich",
    "optuna",
    "typer",
    "plotly",
    "jinja2",
    "pandas",
    "ray",
}

TESTS = Path(__file__).parent
SOURCE = TESTS.parent / "src"


def _full(name: str) -> str:
    return name if name == "localnorm" else f"localnorm.{name}"


def _parents(module: str) -> list[str]:
    """Return the packages that hold the module, the nearest first."""
    parts = module.split(".")
    return [".".join(parts[:n]) for n in range(len(parts) - 1, 0, -1)]


def _module(path: Path) -> str:
    return ".".join(part for part in path.relative_to(SOURCE).with_suffix("").parts if part != "__init__")


PLACES = {_full(n): (i, j) for i, floor in enumerate(FLOORS) for j, room in enumerate(floor) for n in room}
FILES = {_module(path): path for path in sorted((SOURCE / "localnorm").rglob("*.py"))}
every_module = pytest.mark.parametrize("module", FILES)
every_file = pytest.mark.parametrize(
    "path", [*FILES.values(), *sorted(TESTS.rglob("*.py"))], ids=lambda path: str(path.relative_to(TESTS.parent))
)
torchless = {
    name: [module for module in FILES if name in (module, *_parents(module))]
    for name in map(_full, TORCHLESS.split())
    if name in FILES
}


def _imports(module: str) -> Iterator[str]:
    """Yield every module that the file imports, wherever in the file, by its full name."""
    for node in ast.walk(ast.parse(FILES[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} line {node.lineno}: imports are absolute here"
            for alias in node.names:  # a module, or a name in one
                name = f"{node.module}.{alias.name}"
                yield name if name in FILES else node.module


def _place(module: str) -> tuple[int, int] | None:
    """Return the floor and the room of a module of ours, None where it has none."""
    for name in (module, *_parents(module)):
        alone = any(name in _parents(other) for other in PLACES)
        if name in PLACES and (name == module or not alone):
            return PLACES[name]
    return None


@every_module
def test_every_file_has_a_room(module: str):
    assert _place(module), f"{module} is in no room: add it to HOUSE"


@every_module
def test_imports_go_one_way(module: str):
    floor, room = _place(module)
    for imported in filter(FILES.get, _imports(module)):
        other_floor, other_room = _place(imported)
        assert (other_floor, other_room) == (floor, room) or other_floor < floor, (
            f"{module} imports {imported}, which is {'next API' if other_floor == floor else 'below it'}"
        )


@pytest.mark.parametrize("name", torchless)
def test_needs_no_torch_by_its_text(name: str):
    """Follow every import of ours; each module is kept with the chain of imports that leads to it."""
    waiting = list(torchless[name])
    chains = {module: module for module in waiting}
    while waiting:
        current = waiting.pop()
        # Importing a.b.c imports a and a.b first.
        for imported in (*_imports(current), *_parents(current)):
            if imported not in chains:
                chains[imported] = f"{chains[current]} -> {imported}"
                waiting += [imported] if imported in FILES else []
    assert [chain for imported, chain in chains.items() if TORCH.match(imported)] == []


def _python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


# As where it is not installed; a None in sys.modules is there for SciPy, which asks for what is loaded.
NO_TORCH = """
import sys
class Absent:
    def find_spec(self, name, *_):
        if name.partition('.')[0] == 'torch':
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Absent())
"""


@pytest.mark.parametrize("name", torchless)
def test_needs_no_torch_when_it_runs(name: str):
    _python(f"{NO_TORCH}import {', '.join(torchless[name])}")


def test_import_localnorm_is_light():
    loaded = _python("import sys, localnorm; print(*{name.partition('.')[0] for name in sys.modules})").split()
    assert "localnorm" in loaded
    assert HEAVY.isdisjoint(loaded)


@pytest.mark.parametrize(
    ("absent", "code", "needs", "extra"),
    [
        ("torch", "import localnorm.torch", "localnorm.torch needs PyTorch", "torch"),
        ("jax", "import localnorm.jax", "localnorm.jax needs JAX", "jax"),
        ("flax", "from localnorm.jax import LocalResponseNorm", "LocalResponseNorm needs Flax", "jax"),
        ("keras", "import localnorm.keras", "localnorm.keras needs Keras 3", "keras"),
    ],
)
def test_a_api_without_its_framework(absent: str, code: str, needs: str, extra: str):
    said = _python(
        f"import sys; sys.modules[{absent!r}] = None\n"
        "from localnorm.errors import MissingExtraError\n"
        f"try:\n    {code}\nexcept MissingExtraError as error:\n    print(error)"
    )
    assert needs in said
    assert f"pip install 'localnorm[{extra}]'" in said


def test_the_torch_api_waits_for_no_compiler():
    """Importing one takes longer than importing all the rest."""
    loaded = _python(
        "import sys, torch, localnorm.torch\n"
        "localnorm.torch.LocalResponseNorm(5)(torch.ones(2, 9))\n"
        "print(*sys.modules)"
    ).split()
    assert not {"torch._dynamo", "torch._inductor", "triton"} & set(loaded)


def test_the_jax_function_needs_no_flax():
    _python("import sys; sys.modules['flax'] = None; from localnorm.jax import local_response_norm")


@pytest.mark.parametrize(
    ("module", "names"),
    [
        ("localnorm", ["LRNSpec", "LocalnormError", "__version__", "local_response_norm", "reference"]),
        ("localnorm.jax", ["LocalResponseNorm", "local_response_norm"]),
        ("localnorm.keras", ["LocalResponseNormalization"]),
        (
            "localnorm.torch",
            ["GDN", "IGDN", "LocalResponseNorm", "local_response_norm", "replace_lrn", "restore_lrn"],
        ),
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
