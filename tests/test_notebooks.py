"""The example notebook runs from its imports to its figure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

NOTEBOOK = Path(__file__).parents[1] / "examples" / "compare_norms.ipynb"


@pytest.mark.slow
def test_compare_norms(tmp_path: Path) -> None:
    nbclient = pytest.importorskip("nbclient")
    nbformat = pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    install = [cell for cell in notebook.cells if cell.source.startswith("%pip")]
    assert len(install) == 1
    # Nothing is installed in tests.
    notebook.cells.remove(install[0])
    nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs = {cell.source: cell.outputs for cell in notebook.cells if cell.cell_type == "code"}

    def output_of(part: str) -> list[Any]:
        return next(outputs for source, outputs in outputs.items() if part in source)

    run, *rest = output_of("compare(study")
    assert run["data"]["text/plain"].startswith("measuring: ")
    assert [output["output_type"] for output in rest] == ["execute_result"]
    (screen,) = output_of("read_study(folder)")
    assert screen["data"]["text/html"].startswith("<pre>")
    (frame,) = output_of("to_frame()")
    assert "difference from none" in frame["data"]["text/html"]
    (figure,) = output_of("figure(")
    drawn = figure["data"]["application/vnd.plotly.v1+json"]
    assert drawn["data"]
