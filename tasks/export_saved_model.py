"""The SavedModel step: the whole decode of a bundle for TensorFlow's programs, as an artifact of its own beside it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from prefect import task

from tasks.runtime.caching import TASK_OPTIONS, finished, make_once, step_inputs
from tasks.seq2seq.settings.experiment import Experiment
from tasks.seq2seq.settings.where import Where
from tasks.storage.artifacts.bundle import BundleFacts, steps_of
from tasks.storage.artifacts.dataset import read_codecs
from tasks.storage.artifacts.export import SAVED_MODEL, load_decode, read_samples, save_decode
from tasks.storage.artifacts.keras_models import load_keras_models
from tasks.storage.store.artifact_store import Store
from tasks.storage.store.kinds import SAVED_MODEL as KIND
from tasks.storage.store.making import Made, StepInputs
from tasks.storage.store.manifest import Handle


@task(name="export saved model", task_run_name="export saved model {experiment.promotion_name}", **TASK_OPTIONS)
def export_saved_model(
    experiment: Experiment, dataset: Handle, bundle: Handle, store: Where, *, refresh: bool = False
) -> Handle:
    """Exports a bundle's decode as a SavedModel; its figures are how many sources it was verified on."""
    step = saved_model_inputs(experiment, {"dataset": dataset.digest, "bundle": bundle.digest}, Store(store))
    return finished(
        make_once(
            step,
            Store(store),
            lambda folder: write_saved_model(experiment, step, dataset, bundle, Store(store), folder),
            refresh=refresh,
        )
    )


def saved_model_inputs(experiment: Experiment, made: Mapping[str, str], _store: Store) -> StepInputs:
    """What the SavedModel depends on: the bundle alone; it is verified on the dataset."""
    return step_inputs(
        KIND,
        experiment,
        settings={},
        made_from={name: made[name] for name in ("dataset", "bundle")},
        code=__name__,
        libraries=("keras", "tensorflow"),
    )


def write_saved_model(
    experiment: Experiment, step: StepInputs, dataset: Handle, bundle: Handle, store: Store, folder: Path
) -> Made:
    """Fills `folder` with `saved_model/1`.

    Raises:
        ExportError: it answers otherwise than the model.
    """
    from tasks.seq2seq.export.saved_model import DecodeModule  # noqa: PLC0415 - a cached run never loads it
    from tasks.seq2seq.export.verification import N_VERIFIED, Verifier, inference  # noqa: PLC0415 - likewise

    models, codecs = load_keras_models(bundle, store), read_codecs(bundle.path)
    longest = bundle.facts_as(BundleFacts).target.length
    n_steps = steps_of(experiment.decoding.max_length or longest, codecs)
    samples = read_samples(dataset.path, N_VERIFIED)
    save_decode(folder, DecodeModule(*models, codecs, n_steps, experiment.training.forecast_quantiles), codecs)
    Verifier(inference(*models), codecs, samples, n_steps).check(SAVED_MODEL, load_decode(folder))
    # Its bytes cannot be compared: what it is made from says what it is.
    return Made({}, alike={SAVED_MODEL.split("/")[0]: step.key}, figures={"verified": len(samples.source)})
