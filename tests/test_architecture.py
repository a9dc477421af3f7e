"""Package layout: the layers of docs/design.md, import direction and cost, public names, and file sizes."""

from __future__ import annotations

import ast
import re
import statistics
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from importlib import import_module
from itertools import pairwise
from pathlib import Path

import pytest

from localnorm import errors

TESTS = Path(__file__).parent
SOURCE = TESTS.parent / "src"
PACKAGE = SOURCE / "localnorm"
ROOT = TESTS.parent
PAGE = ROOT / "docs" / "design.md"
SECTIONS = ("src/localnorm/", "native/")
"""The folders whose files the section 'Source layout' lists."""


def _section(title: str) -> str:
    """Return the text of the page below a heading, up to the next heading of the same level or above."""
    text = PAGE.read_text(encoding="utf-8")
    found = re.search(rf"^(#+) {re.escape(title)}\n(.*?)(?=^#{{1,2}} |\Z)", text, re.MULTILINE | re.DOTALL)
    assert found, f"docs/design.md must have a section '{title}'; the tests read it."
    return found[2]


def _block(title: str) -> list[str]:
    """Return the lines of the first fenced block of a section."""
    found = re.search(r"```text\n(.*?)```", _section(title), re.DOTALL)
    assert found, f"docs/design.md, '{title}', must have a block fenced by ```text; the tests read it."
    return found[1].strip().splitlines()


# A module imports from its group or from lines above. Groups on one line are separated by | and do not import one
# another. A name stands for the module or the package with all that is in it; one whose submodules are
# listed too (localnorm, lab) stands for its __init__.py alone.
LAYERS = [[group.split() for group in line.split("|")] for line in _block("Layers")]
TORCHLESS = " ".join(_block("Without torch")).split()
TORCH = re.compile(r"(torch|torchmetrics|lightning\w*)(\.|$)")

HEAVY = {
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


def _full(name: str) -> str:
    return name if name == "localnorm" else f"localnorm.{name}"


def _short(module: str) -> str:
    return module.removeprefix("localnorm.")


def _parents(module: str) -> list[str]:
    """Return the packages that hold the module, the nearest first."""
    parts = module.split(".")
    return [".".join(parts[:n]) for n in range(len(parts) - 1, 0, -1)]


def _module(path: Path) -> str:
    return ".".join(part for part in path.relative_to(SOURCE).with_suffix("").parts if part != "__init__")


PLACES = {_full(name): (i, j) for i, line in enumerate(LAYERS) for j, group in enumerate(line) for name in group}
FILES = {_module(path): path for path in sorted(PACKAGE.rglob("*.py"))}
every_module = pytest.mark.parametrize("module", FILES)
every_file = pytest.mark.parametrize(
    "path", [*FILES.values(), *sorted(TESTS.rglob("*.py"))], ids=lambda path: str(path.relative_to(TESTS.parent))
)
torchless = {
    name: [module for module in FILES if name in (module, *_parents(module))]
    for name in map(_full, TORCHLESS)
    if name in FILES
}


def _import_lines(module: str) -> Iterator[tuple[str, int]]:
    """Yield every module that the file imports, wherever in the file, by its full name, with the line."""
    for node in ast.walk(ast.parse(FILES[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} line {node.lineno}: imports are absolute here"
            for alias in node.names:  # a module, or a name in one
                name = f"{node.module}.{alias.name}"
                yield (name if name in FILES else node.module), node.lineno


def _imports(module: str) -> set[str]:
    return {name for name, _ in _import_lines(module)}


def _place(module: str) -> tuple[int, int] | None:
    """Return line and group of a module in the list of layers, None if it has none."""
    for name in (module, *_parents(module)):
        alone = any(name in _parents(other) for other in PLACES)
        if name in PLACES and (name == module or not alone):
            return PLACES[name]
    return None


def _where_to_add(module: str) -> str:
    """Return between which lines of the list of layers a module fits."""
    above = {_place(name): name for name in _imports(module) if name in FILES and _place(name)}
    below = {_place(other): other for other in FILES if module in _imports(other) and _place(other)}
    lines = []
    if above:
        lines.append(f"not above the line of {_short(above[max(above)])}, which it imports")
    if below:
        lines.append(f"not below the line of {_short(below[min(below)])}, which imports it")
    return "; ".join(lines) or "on any line"


@every_module
def test_every_module_has_a_layer(module: str):
    assert _place(module), (
        f"{_short(module)} is in no layer: add it, or its package, to the list in docs/design.md, 'Layers': "
        f"{_where_to_add(module)}"
    )


@pytest.mark.parametrize("title", ["Layers", "Without torch"])
def test_every_name_of_a_list_is_a_module(title: str):
    names = " ".join(_block(title)).replace("|", " ").split()
    gone = [name for name in names if _full(name) not in FILES]
    assert not gone, f"docs/design.md, '{title}': remove {' '.join(gone)}, which src/localnorm does not have"


@every_module
def test_imports_go_one_way(module: str):
    place = _place(module)
    if place is None:
        pytest.skip("has no layer, which another test reports")
    wrong = []
    for name, line in _import_lines(module):
        other = _place(name) if name in FILES else None
        if other and other != place and other[0] >= place[0]:
            why = "beside it" if other[0] == place[0] else "below it"
            wrong.append(f"line {line} imports {_short(name)}, which docs/design.md, 'Layers', puts {why}")
    assert not wrong, f"{_short(module)}: {'; '.join(wrong)}"


def _lab_package(module: str) -> str | None:
    """Return the package of the lab that holds a module, or the module itself if it lies in the lab directly."""
    parts = module.split(".")
    return ".".join(parts[:3]) if parts[:2] == ["localnorm", "lab"] and len(parts) > 2 else None


def test_packages_of_the_lab_import_in_no_circle():
    imports: dict[str, dict[str, str]] = defaultdict(dict)
    for module, path in FILES.items():
        for name, line in _import_lines(module):
            ours, theirs = _lab_package(module), _lab_package(name)
            if ours and theirs and ours != theirs:
                imports[ours][theirs] = f"{path.relative_to(SOURCE)}:{line} imports {name}"
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        circle = error.args[1][::-1]  # graphlib lists it against the imports
        steps = [imports[a][b] for a, b in pairwise(circle)]
        pytest.fail(
            "these imports form a circle; move what is shared into an earlier package:\n" + "\n".join(steps)
        )


def _rows() -> Iterator[tuple[str, str]]:
    """Yield folder and path of every row of 'Source layout'; paths are relative to the folder of the heading."""
    folder = ""
    for line in _section("Source layout").splitlines():
        if heading := re.match(rf"#{{3,}} `((?:{'|'.join(SECTIONS)}).*)`", line):
            folder = heading[1]
            yield folder, ""
        elif row := re.match(r"\| `([^`]+)` \|([^|]*)", line):
            assert row[2].strip(), f"docs/design.md: describe `{row[1]}` in a few words"
            yield folder, row[1]


def _row(path: str, file: Path, folders: set[str]) -> str:
    """Return the row to add for a path, with the first line of a Python module as its text."""
    folder = max((folder for folder in folders if path.startswith(folder) and path != folder), key=len)
    source = file.read_text(encoding="utf-8") if file.suffix == ".py" else ""
    text = (ast.get_docstring(ast.parse(source)) or "?").splitlines()[0]
    return f"below `{folder}` add    | `{path.removeprefix(folder)}` | {text} |"


def test_the_page_names_every_file_and_nothing_else():
    files = {path.relative_to(ROOT).as_posix(): path for path in (ROOT / "native").rglob("*") if path.is_file()}
    for file in FILES.values():
        path = file.parent if file.name == "__init__.py" else file
        files[f"{path.relative_to(ROOT).as_posix()}{'/' if path.is_dir() else ''}"] = file
    del files["src/localnorm/"]  # localnorm itself, which the section as a whole is about
    rows = list(_rows())
    names = [f"{folder}{name}" for folder, name in rows if name]
    wrong = [_row(path, file, {folder for folder, _ in rows}) for path, file in files.items() if path not in names]
    wrong += [
        f"below `{folder}` remove {f'the row `{name}`' if name else 'the heading, or rename it'}"
        for folder, name in rows
        if (path := f"{folder}{name}") not in (*files, *SECTIONS)
    ]
    wrong += [f"remove all rows of {path} but one" for path in files if names.count(path) > 1]
    listed = "\n".join(wrong)
    assert not wrong, f"docs/design.md, 'Source layout' (shorten the suggested texts):\n{listed}"


@pytest.mark.parametrize("name", torchless)
def test_needs_no_torch_by_its_text(name: str):
    """Follow every import within the package; report the chain that leads to torch."""
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


# Hide torch as if not installed. A None in sys.modules would not do: SciPy looks up loaded modules by name.
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
def test_an_api_without_its_framework(absent: str, code: str, needs: str, extra: str):
    message = _python(
        f"import sys; sys.modules[{absent!r}] = None\n"
        "from localnorm.errors import MissingExtraError\n"
        f"try:\n    {code}\nexcept MissingExtraError as error:\n    print(error)"
    )
    assert needs in message
    assert f"pip install 'localnorm[{extra}]'" in message


def test_the_torch_api_imports_no_compiler():
    """Importing torch's compiler takes longer than all the rest."""
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
        ("localnorm.jax", ["GDN", "GDN1", "IGDN", "LocalResponseNorm", "local_response_norm"]),
        (
            "localnorm.keras",
            [
                "GDN",
                "GDN1",
                "IGDN",
                "LocalResponseNormalization",
                "PooledResponseNormalization",
                "legacy_objects",
                "load_legacy_model",
            ],
        ),
        (
            "localnorm.torch",
            [
                "GDN",
                "GDN1",
                "IGDN",
                "LeftLayer",
                "LocalResponseNorm",
                "SwapReport",
                "SwappedLayer",
                "local_response_norm",
                "replace_lrn",
                "restore_lrn",
                "swap_norms",
            ],
        ),
    ],
)
def test_public_names(module: str, names: list[str]):
    imported = import_module(module)
    assert sorted(imported.__all__) == names
    assert all(hasattr(imported, name) for name in names)


@every_module
def test_no_assert(module: str):
    """Python -O removes asserts, and AssertionError is none of our error classes."""
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
    line = rf"── {kind.__name__}{re.escape(f' ({built_in})') if built_in else ''} {{2,}}\S"
    assert re.search(line, errors.__doc__), f"the tree in the docstring must draw {kind.__name__} and its bases"
