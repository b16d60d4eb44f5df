"""How the parts hang together, seen from a fresh process."""

import json


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


def test_the_domain_knows_neither_prefect_nor_parquet(run_python):
    """The domain without its models can be used in a notebook that has nothing but numpy and pydantic."""
    loaded = run_python(
        """
        import importlib, pathlib, sys
        with_keras = ("averaging", "beam", "best", "deadline", "decoding", "evaluation", "exports", "layers", "losses",
                      "models", "optimizing", "plateau", "precision", "predictor", "recurrent", "resuming", "segments",
                      "teacher_forcing", "training", "verification", "warm_start", "watching")
        for path in pathlib.Path("tasks/seq2seq").glob("*.py"):
            if path.stem not in (*with_keras, "tutorial", "__init__"):
                importlib.import_module(f"tasks.seq2seq.{path.stem}")
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
