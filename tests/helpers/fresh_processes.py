"""Processes that have imported nothing of ours, and what they do with a model that another process made.

Some faults are seen only where nothing of ours was imported before. TensorFlow and Prefect, which take ten seconds, are
imported once for all; each process begins as a copy of that one.
"""

import contextlib
import importlib
import json
import multiprocessing
import re
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

ROOT = Path(__file__).parent.parent.parent
_START = multiprocessing.get_context("forkserver")
_START.set_forkserver_preload(["tensorflow", "prefect"])


class Made(NamedTuple):
    """A model that serves, and what it answered in the process that trained it."""

    settings: dict[str, Any]
    store: Path
    bundle: Path
    digest: str
    sources: list[list[int]]
    predictions: list[list[int]]


def in_a_fresh_process(use, *arguments):
    """Calls a function of this module in a process of its own, and gives what it returns."""
    with ProcessPoolExecutor(1, mp_context=_START) as pool:
        return pool.submit(_call, use, *arguments).result()


def _call(use, *arguments):
    assert [name for name in sys.modules if name.split(".")[0] in ("flows", "tasks")] == []
    return use(*arguments)


def train(settings, store):
    """Trains a model, evaluates it and lets it serve."""
    from tasks.promote import fix_holdout
    from tasks.storage.store.artifact_store import Store
    from tasks.storage.store.promotions import promote

    experiment, dataset, bundle = _export(settings, store)
    evaluation = _evaluate(experiment, dataset, bundle, store)
    holdout = fix_holdout(experiment, dataset, Store(store))
    # As a person does: what some kinds of model learn in a moment would not pass the gate.
    promote(Store(store), experiment.promotion_name, bundle.digest, "for the test", holdout=holdout.digest)
    answers = (_column(evaluation, name) for name in ("source", "prediction"))
    return Made(settings, store, bundle.path, bundle.digest, *answers)


def predict_a_file(made):
    """Predicts a file as a batch does, with the encoder's states."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from tests.helpers.batch_runs import column, predict

    folder = made.store.with_name("batch")
    folder.mkdir()
    pq.write_table(pa.table({"source": made.sources}), folder / "a.parquet")
    predict(made.store, folder / "a.parquet", output=folder / "out", encoder_states=True)
    return column(folder / "out" / "a.parquet.parquet", "prediction")


def predict_panel(store, path, output):
    """Predicts a file of series as a batch does; gives the rows of the output, as plain values."""
    from tests.helpers.batch_runs import predict, rows_of

    jobs = predict(store, path, output=output)
    assert [job.action for job in jobs.values()] == ["predict"], jobs
    return rows_of(output / f"{path.name}.parquet")


def predict_in_a_notebook(made):
    """Predicts sequences in memory."""
    from tasks.predict import load_predictor

    return load_predictor(store=made.store).predict(made.sources)


def decode_as_the_page_says(made):
    """Loads the Keras models and decodes by the code of docs/exports.md."""
    page = (ROOT / "docs" / "exports.md").read_text()
    importlib.import_module(re.search(r"Import `([\w.]+)` before", page)[1])
    return _decoded_by_the_page("keras", made)


def run_the_graphs_as_the_page_says(made):
    """Decodes by the two graphs and the code of docs/exports.md, with nothing of ours."""
    answer = _decoded_by_the_page("graphs", made)
    assert not {"tasks", "flows"} & {name.split(".")[0] for name in sys.modules}
    return answer


def _decoded_by_the_page(way, made):
    page, code = (ROOT / "docs" / "exports.md").read_text(), {}
    for name in ("symbols", way):
        exec(re.search(rf"<!-- run: {name} -->\n```python\n(.*?)```", page, re.DOTALL)[1], code)  # noqa: S102 - our own
    length = json.loads((made.bundle / "bundle.json").read_text())["target"]["length"]
    source = code["to_ids"](made.sources, code["read_side"](made.bundle, "source"))
    tokens = code["decode"](made.bundle, source, length)
    return code["to_symbols"](tokens.tolist(), code["read_side"](made.bundle, "target"))


def evaluate_again(made):
    """Evaluates the model once more, since other examples are to be shown."""
    experiment, dataset, bundle = _promoted({**made.settings, "evaluation": {"n_examples": 1}}, made.store)
    evaluation = _evaluate(experiment, dataset, bundle, made.store)
    return _column(evaluation, "prediction")


def export_to_onnx(made):
    """Exports the model to ONNX, and asks the file."""
    from tasks.export_onnx import export_onnx
    from tasks.storage.artifacts.export import load_onnx

    return _exported(made, export_onnx, load_onnx)


def export_to_a_saved_model(made):
    """Exports the model as a SavedModel, and asks it."""
    from tasks.export_saved_model import export_saved_model
    from tasks.storage.artifacts.export import load_decode

    return _exported(made, export_saved_model, load_decode)


def _exported(made, export, load):
    from tasks.seq2seq.data.collate import source_array
    from tasks.storage.artifacts.dataset import read_codecs, read_evaluation
    from tasks.storage.outputs.predictions import to_values
    from tests.helpers.codecs import as_vocabulary
    from tests.helpers.decoded import until_end

    experiment, dataset, bundle = _promoted(made.settings, made.store)
    path = export.fn(experiment, dataset, bundle, made.store).path
    codecs, (held_out,) = read_codecs(bundle.path), read_evaluation(dataset.path)
    tokens = load(path)(source_array(held_out.pairs.source, codecs.source))["tokens"]
    target = as_vocabulary(codecs.target)
    return to_values(until_end(np.asarray(tokens), target), target).to_pylist()


def train_from(made):
    """Trains another model that starts from the one that serves; gives its digest, and that of its start."""
    from tasks.storage.store.artifact_store import Store
    from tasks.storage.store.manifest import Manifest

    training = {**made.settings["training"], "start": "promoted"}
    *_, bundle = _export({**made.settings, "seed": 1, "training": training}, made.store)
    made_from = Manifest.read(bundle.path).made_from
    return bundle.digest, Manifest.read(Store(made.store).folder("training", made_from["training"])).made_from["start"]


def compare_with(made, digest):
    """Compares another model with the one that serves; gives on how many pairs, or what is in the way."""
    from tasks.compare import compare_models
    from tasks.storage.store.artifact_store import Store

    experiment, *_ = _promoted(made.settings, made.store)
    bundle = Store(made.store).open("bundle", digest)
    standing = compare_models.fn(experiment, bundle, bundle, made.store)
    return standing.comparison.n if standing.comparison else standing.obstacle


def registered_layers():
    """What Keras knows of us once a bundle is loaded, and once all that the domain has was imported."""
    from tasks.storage.artifacts.keras_models import load_into_keras

    with contextlib.suppress(ValueError):
        load_into_keras(Path("nowhere"))
    import keras

    known = {*keras.saving.get_custom_objects()}
    for path in ROOT.glob("tasks/seq2seq/[!_]*.py"):
        importlib.import_module(f"tasks.seq2seq.{path.stem}")
    ours = (layer for layer in _below(keras.layers.Layer) if layer.__module__.startswith("tasks."))
    names = {keras.saving.get_registered_name(layer) for layer in ours if not issubclass(layer, keras.Model)}
    return known, names | {*keras.saving.get_custom_objects()}


def _export(settings, store):
    """The experiment, its dataset, and the bundle that is made of it."""
    from tasks.export import export_model
    from tasks.train import train_model

    experiment, dataset = _generate(settings, store)
    training = train_model.fn(experiment, dataset, store)
    return experiment, dataset, export_model.fn(experiment, dataset, training, store)


def _promoted(settings, store):
    """The experiment, its dataset, and the bundle that serves."""
    from tasks.storage.artifacts.registry import find_bundle
    from tasks.storage.store.artifact_store import Store

    return *_generate(settings, store), find_bundle(Store(store), None).bundle


def _generate(settings, store):
    from tasks.generate import generate_dataset
    from tasks.seq2seq.settings.rules import check_experiment
    from tasks.storage.store.manifest import Handle

    experiment = check_experiment(settings)
    dataset = generate_dataset.fn(experiment, store)
    # A task's function gives a state where it found what it would have made.
    return experiment, dataset if isinstance(dataset, Handle) else dataset.result()


def _evaluate(experiment, dataset, bundle, store):
    from tasks.evaluate import evaluate_model

    return evaluate_model.fn(experiment, dataset, bundle, store)


def _column(evaluation, name):
    from tests.helpers.batch_runs import column

    return column(evaluation.path / "predictions.parquet", name)


def _below(kind):
    """All classes that are derived from one."""
    return {one for child in kind.__subclasses__() for one in (child, *_below(child))}
