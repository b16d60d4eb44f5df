"""How the parts hang together, seen from a fresh process."""

import json
import re
import tomllib
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


def test_a_domain_module_without_keras_is_held_to_it_by_the_contract():
    contracts = tomllib.loads(Path("pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (without,) = [contract for contract in contracts if "know Keras" in contract["name"]]
    heavy = {path.stem: path.read_text() for path in Path("tasks/seq2seq").glob("[!_]*.py")}
    for module in without["source_modules"]:
        del heavy[module.removeprefix("tasks.seq2seq.")]
    loads = re.compile(rf"^(import|from) (keras|tensorflow|tasks\.seq2seq\.({'|'.join(heavy)}))\b", re.MULTILINE)
    assert [name for name, text in heavy.items() if not loads.search(text)] == []


def test_the_domain_knows_neither_prefect_nor_parquet(run_python):
    """The domain without its models can be used in a notebook that has nothing but numpy and pydantic."""
    loaded = run_python(
        """
        import importlib, sys, tomllib
        with open("pyproject.toml", "rb") as file:
            contracts = tomllib.load(file)["tool"]["importlinter"]["contracts"]
        (without,) = [contract for contract in contracts if "know Keras" in contract["name"]]
        for module in without["source_modules"]:
            importlib.import_module(module)
        print(sorted({"prefect", "pyarrow", "tensorflow", "keras", "tasks.storage"} & set(sys.modules)))
        """
    )
    assert loaded.strip() == "[]"


def test_storage_loads_no_prefect_and_no_tensorflow(run_python):
    """Reading a store needs neither."""
    loaded = run_python(
        """
        import importlib, pathlib, sys
        for path in pathlib.Path("tasks/storage").glob("[!_]*.py"):
            importlib.import_module(f"tasks.storage.{path.stem}")
        print(sorted({"prefect", "tensorflow", "keras"} & set(sys.modules)))
        """
    )
    assert loaded.strip() == "[]"
