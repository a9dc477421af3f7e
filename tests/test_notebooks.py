"""The notebooks of examples/, run from the first cell to the last, with shorter budgets."""

from __future__ import annotations

import shutil
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

EXAMPLES = Path(__file__).parents[1] / "examples"
NOTEBOOKS = sorted(path.name for path in EXAMPLES.glob("*.ipynb"))
SHORTER = {
    'budget="8m"': 'budget="60s"',
    "steps=300": "steps=40",
    "rounds=5": "rounds=3",
    'figure("generalization")': 'figure("computational cost")',
}


def code(name: str) -> str:
    notebook = nbformat.read(EXAMPLES / name, as_version=4)
    return "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")


@pytest.mark.slow
@pytest.mark.parametrize("name", NOTEBOOKS)
def test_runs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    notebook = nbformat.read(EXAMPLES / name, as_version=4)
    for cell in notebook.cells:
        for long, short in SHORTER.items():
            cell.source = cell.source.replace(long, short)
    monkeypatch.setenv("JUPYTER_PLATFORM_DIRS", "1")
    NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert outputs
    assert not [output for output in outputs if output.output_type == "error"]
    if name == "compare_norms.ipynb":
        kinds = {kind for output in outputs for kind in output.get("data", {})}
        assert {"text/html", "application/vnd.plotly.v1+json"} <= kinds
        shutil.rmtree(tmp_path / "my-study")


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_first_cells_say_what_it_is_and_install(name: str) -> None:
    notebook = nbformat.read(EXAMPLES / name, as_version=4)
    title, install = notebook.cells[:2]
    assert title.source.startswith("# ")
    assert "%pip install" in install.source
    assert "except ImportError" in install.source
    nbformat.validate(notebook)


def test_the_text_that_the_tests_shorten_is_there() -> None:
    everything = "".join(map(code, NOTEBOOKS))
    assert all(long in everything for long in SHORTER)
