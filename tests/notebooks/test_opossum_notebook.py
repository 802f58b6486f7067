"""The notebook runs from its first cell to its last, in a kernel of its own, and ends in a verdict
about the learner's own brief.
"""

from __future__ import annotations

from pathlib import Path

import nbclient
import nbformat
import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
NOTEBOOK = ROOT / "notebooks" / "opossum.ipynb"
SIZES = "SEED, JUDGEMENTS, STEPS, PAIRS = 0, 30, 15, 200"


def played(sizes: str) -> list[str]:
    """What each code cell printed and showed, with other ``sizes`` in the cell that names them."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    sources = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    assert sum(SIZES in source for source in sources) == 1
    for cell in notebook.cells:
        cell.source = cell.source.replace(SIZES, sizes)
    where = {"metadata": {"path": str(NOTEBOOK.parent)}}
    nbclient.NotebookClient(notebook, timeout=280, resources=where).execute()
    shown = []
    for cell in notebook.cells:
        if cell.cell_type == "code":
            told = [output.get("text", "") for output in cell.outputs]
            told += [output.get("data", {}).get("text/plain", "") for output in cell.outputs]
            shown.append("\n".join(told))
    return shown


def test_no_output_is_kept_in_it():
    """What it shows is what your machine made."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert len(code) > 8 and not any(cell.outputs or cell.execution_count for cell in code)


@pytest.mark.slow  # the whole loop
def test_it_runs_from_top_to_bottom():
    shown = played("SEED, JUDGEMENTS, STEPS, PAIRS = 0, 6, 1, 24")
    everything = "\n".join(shown)
    assert everything.count("An opossum is") >= 6
    assert "too few to tell a taste from chance" in everything, "six votes are no taste"
    assert "What to look for" in everything and "def ppo_step(" in everything
    assert "at most eight" in shown[-1]


@pytest.mark.slow
def test_as_it_stands_the_model_learns_to_be_brief():
    told = played(SIZES)[-1]
    row = {line.split()[0]: line.split()[1:] for line in told.splitlines() if "  " in line}
    before, after = float(row["before"][-1]), float(row["after"][-1])
    assert after > before + 0.1, told
