"""The ONNX step: the whole decode of a bundle for onnxruntime, as an artifact of its own beside it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from prefect import task

from tasks.runtime.caching import TASK_OPTIONS, finished, make_once, step_inputs
from tasks.seq2seq.settings.experiment import Experiment
from tasks.seq2seq.settings.where import Where
from tasks.storage.artifacts.bundle import load_bundle, load_graphs, steps_of
from tasks.storage.artifacts.dataset import write_codecs
from tasks.storage.artifacts.export import ONNX_FILE, load_onnx, read_samples
from tasks.storage.artifacts.keras_models import load_keras_models
from tasks.storage.store.artifact_store import Store
from tasks.storage.store.kinds import ONNX
from tasks.storage.store.making import Made, StepInputs
from tasks.storage.store.manifest import Handle


@task(name="export onnx", task_run_name="export onnx {experiment.promotion_name}", **TASK_OPTIONS)
def export_onnx(
    experiment: Experiment, dataset: Handle, bundle: Handle, store: Where, *, refresh: bool = False
) -> Handle:
    """Exports a bundle's decode to ONNX; its facts are how many sources it was verified on."""
    return finished(
        make_once(
            onnx_inputs(experiment, {"dataset": dataset.digest, "bundle": bundle.digest}, Store(store)),
            Store(store),
            lambda folder: write_onnx(experiment, dataset, bundle, Store(store), folder),
            refresh=refresh,
        )
    )


def onnx_inputs(experiment: Experiment, made: Mapping[str, str], _store: Store) -> StepInputs:
    """What the ONNX file depends on: the bundle alone; it is verified on the dataset."""
    return step_inputs(
        ONNX,
        experiment,
        settings={},
        made_from={name: made[name] for name in ("dataset", "bundle")},
        code=__name__,
        libraries=("keras", "onnx", "onnxruntime", "tensorflow"),
    )


def write_onnx(experiment: Experiment, dataset: Handle, bundle: Handle, store: Store, folder: Path) -> Made:
    """Fills `folder` with `decode.onnx` and its `codecs.json`.

    Raises:
        ExportError: it answers otherwise than the model, or would be too large.
    """
    from tasks.seq2seq.export.onnx_decode import onnx_decode  # noqa: PLC0415 - a cached run never loads it
    from tasks.seq2seq.export.verification import N_VERIFIED, Verifier, inference  # noqa: PLC0415 - likewise
    from tasks.seq2seq.inference.graphs.graph_check import serialised  # noqa: PLC0415 - likewise

    model = load_bundle(bundle, store)
    n_steps = steps_of(experiment.decoding.max_length or model.facts.target.length, model.codecs)
    samples = read_samples(dataset.path, N_VERIFIED)
    encoder, step = load_graphs(bundle.path)
    decode = onnx_decode(model.engine.architecture, encoder, step, model.codecs, n_steps)
    (folder / ONNX_FILE).write_bytes(serialised(decode, ONNX_FILE))
    write_codecs(folder, model.codecs)
    verifier = Verifier(inference(*load_keras_models(bundle, store)), model.codecs, samples, n_steps)
    verifier.check(ONNX_FILE, load_onnx(folder))
    return Made({}, figures={"verified": len(samples.source)})
