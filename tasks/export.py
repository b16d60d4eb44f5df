"""The export step: inference encoder and decoder out of the trained weights, as a bundle."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from prefect import task

from tasks.runtime.caching import TASK_OPTIONS, finished, make_once, step_inputs, values_of
from tasks.seq2seq.settings.experiment import UNKEYED, Experiment
from tasks.seq2seq.settings.where import Where
from tasks.storage.artifacts.bundle import GRAPHS, KERAS_MODELS, BundleFacts, load_engine, steps_of
from tasks.storage.artifacts.dataset import DatasetFacts, read_codecs, write_codecs
from tasks.storage.artifacts.export import read_samples
from tasks.storage.artifacts.keras_models import load_weights, save_bundle, weights_digest
from tasks.storage.artifacts.shapes import ProfileFile
from tasks.storage.artifacts.stored_series import copy_known_series
from tasks.storage.files.json_files import read_json, write_json
from tasks.storage.store.artifact_store import Store
from tasks.storage.store.kinds import BUNDLE
from tasks.storage.store.making import Made, StepInputs
from tasks.storage.store.manifest import Handle


@task(name="export model", task_run_name="export {experiment.promotion_name}", **TASK_OPTIONS)
def export_model(
    experiment: Experiment, dataset: Handle, training: Handle, store: Where, *, refresh: bool = False
) -> Handle:
    """Exports trained weights as a bundle; its facts are `BundleFacts`."""
    return finished(
        make_once(
            bundle_inputs(experiment, {"dataset": dataset.digest, "training": training.digest}, Store(store)),
            Store(store),
            lambda folder: write_bundle(experiment, dataset, training, folder),
            refresh=refresh,
        )
    )


def bundle_inputs(experiment: Experiment, made: Mapping[str, str], _store: Store) -> StepInputs:
    """What a bundle depends on: the weights, and the dataset's vocabulary and profile."""
    return step_inputs(
        BUNDLE,
        experiment,
        settings={
            "model": values_of(experiment.model, UNKEYED["model"]),
            "loss": experiment.training.loss,
            "quantiles": experiment.training.forecast_quantiles,
            "decoding": experiment.decoding.model_dump(mode="json"),
        },
        made_from={name: made[name] for name in ("dataset", "training")},
        code=__name__,
        libraries=("keras", "onnx", "onnxruntime", "tensorflow"),
    )


def write_bundle(experiment: Experiment, dataset: Handle, training: Handle, folder: Path) -> Made:
    """Fills `folder` with the bundle that `tasks.storage.artifacts.bundle` describes, its graphs verified.

    Raises:
        ExportError: they answer otherwise than the trained model, or the model is too large for them.
    """
    from tasks.seq2seq.export.verification import N_VERIFIED, Verifier, engine_decode  # noqa: PLC0415 - likewise
    from tasks.seq2seq.models.encoder_decoder import build_models  # noqa: PLC0415 - a cached run never loads it

    shape = dataset.facts_as(DatasetFacts)
    models = build_models(
        shape.architecture(experiment.model, experiment.training.forecast_quantiles).without_dropout()
    )
    load_weights(models.train, training.path)
    codecs = read_codecs(dataset.path).for_loss(experiment.training.loss)
    samples = read_samples(dataset.path, N_VERIFIED)
    facts = BundleFacts(
        units=experiment.model.decoder_width,
        parameters=models.train.count_params(),
        source=shape.source,
        target=shape.target,
        masked=shape.masked,
        relative=shape.relative,
        ahead=shape.ahead,
        series=shape.series,
    )
    save_bundle(folder, models.encoder, models.decoder, facts, experiment)
    write_codecs(folder, codecs)
    copy_known_series(dataset.path, folder)
    write_json(
        folder / "profile.json",
        {**read_json(dataset.path / "profile.json", ProfileFile), **_rejects(experiment, shape)},
    )
    n_steps = steps_of(experiment.decoding.max_length or facts.target.length, codecs)
    verifier = Verifier(lambda *pair: models.train(pair), codecs, samples, n_steps)
    verifier.check(" with ".join(GRAPHS), engine_decode(load_engine(folder, facts, experiment), codecs, n_steps))
    return Made(
        facts.model_dump(),
        alike={
            name: weights_digest(model)
            for name, model in zip(KERAS_MODELS, (models.encoder, models.decoder), strict=True)
        },
        figures={"verified": len(samples.source)},
    )


def _rejects(experiment: Experiment, shape: DatasetFacts) -> dict[str, int]:
    """Rows read and rejected for the dataset; those of a series are time steps, not pairs, and are left out."""
    if getattr(experiment.data, "is_series", False):
        return {}
    rows = shape.train_rows + shape.validation_rows + shape.evaluation_rows + shape.rejected_rows
    rows += shape.held_back_rows
    return {"read": rows, "rejected": shape.rejected_rows}
