"""The notebooks of examples/: what they hold, and that every cell runs."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

EXAMPLES = Path(__file__).parents[1] / "examples"
NOTEBOOKS = sorted(EXAMPLES.glob("*.ipynb"))


def read(path):
    return nbformat.read(path, as_version=4)


def test_all_are_there():
    wanted = {"first_steps", "which_problem", "other_maps", "tap", "finetune_fc", "your_model", "results_elsewhere"}
    assert {path.stem for path in NOTEBOOKS} >= wanted


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_outputs_are_cleared(path):
    code = [cell for cell in read(path).cells if cell.cell_type == "code"]
    assert code
    assert all(cell.outputs == [] and cell.execution_count is None for cell in code)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_opens_with_what_the_reader_will_be_able_to_do(path):
    first = read(path).cells[0]
    assert first.cell_type == "markdown"
    title, _, sentence, *_ = first.source.splitlines()
    assert title.startswith("# ")
    assert sentence.startswith("After this notebook you can ")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_cell_runs(path, tmp_path):
    """In a folder of its own, as the notebook stands; a cell that raises fails the test with its traceback."""
    notebook = read(path)
    NotebookClient(
        notebook, timeout=600, startup_timeout=600, resources={"metadata": {"path": str(tmp_path)}}
    ).execute()
    assert all(cell.execution_count for cell in notebook.cells if cell.cell_type == "code")
    assert not list(tmp_path.iterdir()), "a notebook leaves nothing in the folder that it runs in"
