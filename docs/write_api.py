"""Writes docs/api.md from the docstrings of the names that may be used from Python: `make docs`.

It reads the source without importing it, so that it needs no library and takes no time.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
Named = ast.FunctionDef | ast.ClassDef
WIDTH = 100  # characters of a signature in one line

INTRODUCTION = """# Python names

What may be imported, with its docstrings. `docs/write_api.py` writes this page from the code. How the names are used
together is told in [python.md](python.md); every other name may change without notice.
"""
# By heading: where a name is imported from, the file that defines it, and the names; without names all that it defines.
SECTIONS: dict[str, list[tuple[str, str, tuple[str, ...]]]] = {
    "Predict": [("tasks.predict", "tasks/prediction/load_predictor.py", ("load_predictor", "LoadedPredictor"))],
    "Flows": [
        (f"flows.{name}", f"flows/{name}.py", (name,))
        for name in ("train_and_eval", "generate_datasets", "batch_predict", "nightly", "sweep")
    ],
    "The tutorial's names": [
        ("tasks.seq2seq", "tasks/seq2seq/tutorial.py", ("generate_sequence", "get_dataset")),
        ("tasks.seq2seq", "tasks/seq2seq/models/encoder_decoder.py", ("define_models",)),
        ("tasks.seq2seq", "tasks/seq2seq/tutorial.py", ("predict_sequence", "one_hot_decode")),
    ],
    "Errors": [("tasks.seq2seq.errors", "tasks/seq2seq/errors.py", ())],
}


def write_page() -> str:
    """The whole page, as Markdown."""
    sections = (f"\n## {title}\n{''.join(_describe_all(rows))}" for title, rows in SECTIONS.items())
    return INTRODUCTION + "".join(sections)


def _describe_all(rows: list[tuple[str, str, tuple[str, ...]]]) -> Iterator[str]:
    for module, file, names in rows:
        defined = {node.name: node for node in _public(ast.parse((ROOT / file).read_text(encoding="utf-8")).body)}
        for name in names or defined:
            yield from _describe(defined[name], f"{module}.{name}", "###")


def _public(nodes: list[ast.stmt]) -> Iterator[Named]:
    return (node for node in nodes if isinstance(node, Named) and not node.name.startswith("_"))


def _describe(node: Named, title: str, level: str) -> Iterator[str]:
    """A heading, the signature and the docstring; of a class its public methods after it."""
    yield f"\n{level} {title}\n\n```text\n{_signature(node)}\n```\n\n{_markdown(ast.get_docstring(node) or '')}\n"
    if isinstance(node, ast.ClassDef):
        for method in _public(node.body):
            yield from _describe(method, f"{node.name}.{method.name}", "####")


def _signature(node: Named) -> str:
    """What is called, a parameter a line where one line would be too long."""
    if isinstance(node, ast.ClassDef):
        return f"class {node.name}({', '.join(map(ast.unparse, node.bases))})" if node.bases else f"class {node.name}"
    returns = ast.unparse(node.returns) if node.returns else ""
    if any(ast.unparse(decorator) == "property" for decorator in node.decorator_list):
        return f"{node.name}: {returns}"
    parameters = list(_parameters(node.args))
    line = f"{node.name}({', '.join(parameters)}) -> {returns}"
    if len(line) <= WIDTH:
        return line
    return f"{node.name}(\n    {f',{chr(10)}    '.join(parameters)},\n) -> {returns}"


def _parameters(arguments: ast.arguments) -> Iterator[str]:
    """Each parameter but `self`, with its type and its default. None of these names has others than plain ones."""
    required = len(arguments.args) - len(arguments.defaults)
    for parameter, default in zip(arguments.args, [None] * required + arguments.defaults, strict=True):
        if parameter.arg != "self":
            yield ast.unparse(parameter) + (f" = {ast.unparse(default)}" if default else "")


def _markdown(docstring: str) -> str:
    """A docstring whose `Args:` and the like are lists and paragraphs."""
    lines = re.sub(r"\n {8,}(?=\S)", " ", docstring)  # what goes on in another line
    lines = re.sub(r"^(Args|Raises|Attributes):$", r"\1:\n", lines, flags=re.MULTILINE)
    lines = re.sub(r"^ {4}([\w, *]+): ", r"- `\1`: ", lines, flags=re.MULTILINE)
    return re.sub(r"^(Returns|Yields):\n +", r"\1: ", lines, flags=re.MULTILINE).replace("\n    ", "\n")


if __name__ == "__main__":
    sys.stdout.write(write_page())
