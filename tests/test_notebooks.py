"""The notebooks run from their first cell to their last, and what is kept in them is what they give."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")
pytest.importorskip("ipykernel")
pytest.importorskip("onnxruntime")

pytestmark = pytest.mark.long

FOLDER = Path(__file__).parent.parent / "notebooks"
NAMES = ["image", "tabular"]
LARGEST_KB = 400

FEWER = {
    "epochs=24": "epochs=10",
    "evaluations=60": "evaluations=16",
    "epochs=6, patience=6": "epochs=2, patience=2",
    "epochs=10, threads": "epochs=2, threads",
}
"""What is replaced in a notebook that a test runs, for time."""


def read(name: str) -> Any:
    return nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)


def code_cells(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def kinds(notebook: Any) -> list[list[str]]:
    """What every cell shows: pictures, tables, values, or what it prints."""
    return [[_kind(output) for output in cell.outputs] for cell in code_cells(notebook)]


def _kind(output: Any) -> str:
    if output.output_type in ("stream", "error"):
        return str(output.get("name", "error"))
    forms = ("image/png", "text/html", "text/plain")
    return next((form for form in forms if form in output.data), "nothing that is known")


def test_all_notebooks_are_tested() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.ipynb")) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_is_kept_with_its_outputs(name: str) -> None:
    """People read it on the web, where nothing runs."""
    notebook, path = read(name), FOLDER / f"{name}.ipynb"
    nbformat.validate(notebook)
    assert path.stat().st_size < 1000 * LARGEST_KB
    counts = [cell.execution_count for cell in code_cells(notebook)]
    assert counts == list(range(1, len(counts) + 1))  # run once, in order
    shown = [kind for found in kinds(notebook) for kind in found]
    assert shown.count("image/png") == 3 and "text/html" in shown
    assert not {"stderr", "error"} & set(shown)
    assert notebook.cells[0].cell_type == "markdown" and notebook.cells[0].source.startswith("# ")


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_runs(name: str, tmp_path: Path) -> None:
    notebook, folder = read(name), tmp_path / "here"
    folder.mkdir()
    kept = kinds(notebook)
    for cell in code_cells(notebook):
        for old, new in FEWER.items():
            cell.source = cell.source.replace(old, new)
    places = {"TMPDIR": tmp_path, "IPYTHONDIR": tmp_path / "ipython", "JUPYTER_RUNTIME_DIR": tmp_path / "jupyter"}
    client = nbclient.NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    )
    client.execute(env={**os.environ, "OMP_NUM_THREADS": "1", **{name: str(at) for name, at in places.items()}})
    found = kinds(notebook)
    for cell in found:
        if "stderr" in cell:  # warnings of other versions of libraries
            cell.remove("stderr")
    assert found == kept
    assert list(folder.iterdir()) == []  # nothing beside the notebook
