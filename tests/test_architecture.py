"""How the parts hang together, seen from a fresh process."""

import ast
import json
from pathlib import Path


def test_importing_steps_and_flows_loads_no_tensorflow(run_python):
    """Help, refused settings and cached runs never pay for TensorFlow's import."""
    loaded = run_python(
        """
        import importlib, json, sys
        loaded = {}
        for name in (
            "tasks.seq2seq", "tasks.generate", "tasks.train", "tasks.export", "tasks.evaluate", "tasks.promote",
            "tasks.report", "flows.generate_datasets", "flows.train_and_eval",
        ):
            importlib.import_module(name)
            loaded[name] = sorted({"tensorflow", "keras"} & set(sys.modules))
        print(json.dumps(loaded))
        """
    )
    assert {name: modules for name, modules in json.loads(loaded).items() if modules} == {}


IMPORT_ALL = """
import importlib, pathlib

def import_all(package):
    for path in pathlib.Path(package.replace(".", "/")).rglob("[!_]*.py"):
        importlib.import_module(".".join(path.with_suffix("").parts))
"""


def test_packages_hold_no_code():
    """A step's key covers the modules that it imports, and no package's `__init__`, which it imports too."""
    held = {
        path: ast.parse(path.read_text()).body
        for root in ("flows", "tasks")
        for path in Path(root).rglob("__init__.py")
    }
    lazy = Path("tasks/seq2seq/__init__.py")
    assert {path for path, body in held.items() if body} == {lazy}
    (function,) = [node for node in held[lazy] if isinstance(node, ast.FunctionDef)]
    assert function.name == "__getattr__"


def test_the_domain_knows_neither_prefect_nor_parquet(run_python):
    """The domain without its models can be used in a notebook that has nothing but numpy and pydantic."""
    loaded = run_python(
        IMPORT_ALL
        + """
import sys, tomllib
with open("pyproject.toml", "rb") as file:
    contracts = tomllib.load(file)["tool"]["importlinter"]["contracts"]
(without,) = [contract for contract in contracts if contract["name"].startswith("Keras and TensorFlow")]
for package in without["source_modules"]:
    import_all(package)
print(sorted({"prefect", "pyarrow", "tensorflow", "keras", "tasks.storage"} & set(sys.modules)))
"""
    )
    assert loaded.strip() == "[]"


def test_storage_loads_no_prefect_and_no_tensorflow(run_python):
    """Reading a store needs neither."""
    loaded = run_python(
        IMPORT_ALL
        + """
import sys
import_all("tasks.storage")
print(sorted({"prefect", "tensorflow", "keras"} & set(sys.modules)))
"""
    )
    assert loaded.strip() == "[]"


def test_the_door_for_python_loads_no_prefect_and_no_pages(run_python):
    """A notebook or a service that predicts pays for the model, and for nothing of the flows."""
    loaded = run_python(
        """
        import sys
        from tasks.predict import load_predictor
        print(sorted({"prefect", "tensorflow", "keras", "matplotlib", "jinja2"} & set(sys.modules)))
        """
    )
    assert loaded.strip() == "[]"
