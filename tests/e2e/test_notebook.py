"""The notebook runs from top to bottom against the service, as a reader would run it."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat import NotebookNode

from tests.fixtures.server import StartService

NOTEBOOK = Path(__file__).resolve().parents[2] / "notebooks" / "tour.ipynb"


def tour() -> NotebookNode:
    notebook: NotebookNode = nbformat.reads(  # type: ignore[no-untyped-call]  # it has no annotations
        NOTEBOOK.read_text(encoding="utf-8"), as_version=4
    )
    return notebook


@pytest.mark.slow
def test_the_tour_runs_and_draws(start_service: StartService, monkeypatch: pytest.MonkeyPatch) -> None:
    service = start_service()
    monkeypatch.setenv("ECG_SERVICE_URL", service.url)
    monkeypatch.setenv("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    monkeypatch.delenv("ADMIN_PASSWORD", raising=False)
    notebook = tour()

    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(NOTEBOOK.parent)}}).execute()

    pictures = [
        output
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
        if "image/png" in output.get("data", {})
    ]
    assert len(pictures) == 2


def test_the_notebook_is_stored_without_results() -> None:
    cells = [cell for cell in tour().cells if cell.cell_type == "code"]
    assert all(cell.outputs == [] and cell.execution_count is None for cell in cells)
