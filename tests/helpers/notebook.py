"""Runs a notebook without Jupyter, as one would from its first cell to its last, in the current folder.

`python -m tests.helpers.notebook docs/tutorial.ipynb` puts what came out into the file, as a reader finds it.
"""

import ast
import contextlib
import io
import json
import sys
import tempfile
from pathlib import Path


def run_cells(path):
    """What each cell of code printed, and the value of its last line, in the order of the cells."""
    known = {"__name__": "__main__"}
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return [_run("".join(cell["source"]), known) for cell in cells if cell["cell_type"] == "code"]


def _run(code, known):
    *lines, last = ast.parse(code).body
    is_value = isinstance(last, ast.Expr)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(ast.Module(lines if is_value else [*lines, last], []), "cell", "exec"), known)  # noqa: S102 - our own
        value = eval(compile(ast.Expression(last.value), "cell", "eval"), known) if is_value else None  # noqa: S307 - as above
    return printed.getvalue(), value


def outputs_of(printed, value):
    """The same as a notebook holds it."""
    found = []
    if printed:
        found.append({"output_type": "stream", "name": "stdout", "text": printed.splitlines(keepends=True)})
    if value is not None:
        shown = {"text/plain": [repr(value)]}
        if hasattr(value, "_repr_svg_"):
            shown = {"image/svg+xml": [value._repr_svg_()], "text/plain": [value.alt]}
        found.append({"output_type": "execute_result", "execution_count": None, "metadata": {}, "data": shown})
    return found


def main(path):
    """Runs it in an empty folder and writes its outputs into it."""
    notebook = json.loads(path.read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        outcomes = run_cells(path)
        cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
        for cell, (printed, value) in zip(cells, outcomes, strict=True):
            cell["outputs"] = outputs_of(printed.replace(f"{folder}/", ""), value)
    path.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute())
