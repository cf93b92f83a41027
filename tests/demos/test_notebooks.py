"""The notebooks run from the first cell to the last, as stored: without outputs, on the shipped networks."""

import ast
import importlib
import re
from pathlib import Path

import matplotlib
import nbformat
import pytest
from nbclient import NotebookClient

from demos.techniques import PARTS

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "demos" / "notebooks").glob("*.ipynb"))
each = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def cells_of(path, kind):
    return [cell for cell in nbformat.read(path, 4).cells if cell.cell_type == kind]


def public(module, name):
    """Whether minicnn documents this name: it is in the module's __all__, or a module itself."""
    return name in importlib.import_module(module).__all__ or importlib.import_module(f"{module}.{name}") is not None


def test_there_are_eight_in_the_order_of_the_lecture():
    titles = [cells_of(path, "markdown")[0].source.splitlines()[0].lower() for path in NOTEBOOKS]
    assert [title.split(".")[0] for title in titles] == [f"# {n}" for n in range(1, 9)]
    words = " ".join(re.findall(r"[a-z]+", " ".join(titles)))
    places = [words.find(part) for part in PARTS]
    assert -1 not in places and places == sorted(places), dict(zip(PARTS, places, strict=True))


@each
def test_it_is_stored_without_outputs_and_uses_only_public_names(path):
    for cell in cells_of(path, "code"):
        assert cell.outputs == [] and cell.execution_count is None
        code = re.sub(r"^%.*", "", cell.source, flags=re.MULTILINE)
        for node in ast.walk(ast.parse(code)):
            if isinstance(node, ast.ImportFrom) and node.module.startswith("minicnn"):
                assert all(public(node.module, alias.name) for alias in node.names), ast.unparse(node)
            private = isinstance(node, ast.Attribute) and node.attr.startswith("_") and node.attr != "__name__"
            assert not private, ast.unparse(node)
    assert max(len(line) for cell in nbformat.read(path, 4).cells for line in cell.source.splitlines()) <= 120


@each
def test_it_teaches(path):
    """A few sentences stand above each step, and the last cell asks questions."""
    cells = nbformat.read(path, 4).cells
    assert cells[0].cell_type == cells[-1].cell_type == "markdown"
    assert "## Questions to try" in cells[-1].source and cells[-1].source.count("\n- ") >= 3
    assert len(cells_of(path, "markdown")) >= 6


@each
def test_it_runs(path, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))  # no pretrained weights, as on a newcomer's machine
    monkeypatch.setenv("MPLCONFIGDIR", matplotlib.get_cachedir())  # with the list of fonts, which takes long to make
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")
    for name in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR"):  # of the user: nothing is written there
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    notebook = nbformat.read(path, 4)
    NotebookClient(notebook, timeout=600, startup_timeout=300, kernel_name="python3",
                   resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    pictures = [output for output in outputs if "image/png" in output.get("data", {})]
    assert len(pictures) >= 3
    assert [output for output in outputs if output.output_type == "stream" and output.name == "stderr"] == []
    assert not re.search(r"\b(nan|inf)\b", "".join(output.get("text", "") for output in outputs))
