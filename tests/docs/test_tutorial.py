"""The tutorial's notebook runs from its first cell to its last, and what it shows is so."""

import ast
import json
import re

import pytest

from tests.conftest import ROOT
from tests.helpers.notebook import run_cells

NOTEBOOK = ROOT / "docs" / "tutorial.ipynb"
CELLS = json.loads(NOTEBOOK.read_text())["cells"]
CODE = ["".join(cell["source"]) for cell in CELLS if cell["cell_type"] == "code"]
TEXT = "\n".join("".join(cell["source"]) for cell in CELLS if cell["cell_type"] == "markdown")


def test_it_takes_nothing_that_the_docs_do_not_name():
    pages = "\n".join(path.read_text() for path in (ROOT / "README.md", *ROOT.glob("docs/*.md")))
    for node in ast.walk(ast.parse("\n".join(CODE))):
        if isinstance(node, ast.ImportFrom) and node.module.split(".")[0] in ("flows", "tasks"):
            for name in node.names:
                assert re.search(rf"{re.escape(str(node.module))} import .*\b{name.name}\b", pages), name.name


def test_its_pictures_and_links_are_there():
    for link in re.findall(r"\]\(([^)#]+)", TEXT):
        assert link.startswith("http") or (NOTEBOOK.parent / link).exists(), link


def test_every_cell_of_code_has_been_run():
    assert all(cell["outputs"] or "import" in "".join(cell["source"]) for cell in CELLS if cell["cell_type"] == "code")


@pytest.mark.slow
def test_it_runs_and_the_models_learn(tmp_path, monkeypatch, tmp_path_factory):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path_factory.mktemp("prefect")))
    printed = "".join(printed for printed, _ in run_cells(NOTEBOOK))
    assert "(100000, 6, 51) (100000, 3, 51) (100000, 3, 51)" in printed
    assert float(re.search(r"([\d.]+) % of 20 right", printed)[1]) >= 90
    assert float(re.search(r"([\d.]+) % of \d+ words right", printed)[1]) >= 80
    assert "rotarepo" in printed
