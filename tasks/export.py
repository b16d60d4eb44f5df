"""The export step: inference encoder and decoder out of the trained weights, as a bundle."""

from __future__ import annotations

from pathlib import Path

from prefect import task

from tasks.caching import MODEL_CODE, TASK_OPTIONS, finished, make_once, recipe
from tasks.seq2seq.settings import UNKEYED, Experiment
from tasks.storage.atomic import read_json, write_json
from tasks.storage.bundles import (
    KIND,
    BundleFacts,
    load_weights,
    save_bundle,
    save_decode,
    weights_digest,
)
from tasks.storage.datasets import DatasetFacts, read_codecs, write_codecs
from tasks.storage.manifest import Handle, canonical_digest
from tasks.storage.store import Made, Recipe, Store


@task(name="export model", task_run_name="export {experiment.promotion_name}", **TASK_OPTIONS)
def export_model(
    experiment: Experiment, dataset: Handle, training: Handle, store: Path, *, refresh: bool = False
) -> Handle:
    """Exports trained weights as a bundle; its facts are `BundleFacts`."""
    return finished(
        make_once(
            bundle_recipe(experiment, dataset.digest, training.digest),
            Store(store),
            lambda folder: write_bundle(experiment, dataset, training, folder),
            refresh=refresh,
        )
    )


def bundle_recipe(experiment: Experiment, dataset_digest: str, training_digest: str) -> Recipe:
    """What a bundle depends on: the weights, and the dataset's vocabulary and profile."""
    return recipe(
        KIND,
        experiment,
        settings={
            "model": experiment.model.model_dump(mode="json", exclude=UNKEYED["model"]),
            "loss": experiment.training.loss,
            "decoding": experiment.decoding.model_dump(mode="json"),
        },
        made_from={"dataset": dataset_digest, "training": training_digest},
        code=MODEL_CODE,
        libraries=("keras", "tensorflow"),
    )


def write_bundle(experiment: Experiment, dataset: Handle, training: Handle, folder: Path) -> Made:
    """Fills `folder` with the bundle that `tasks.storage.bundles` describes."""
    from tasks.seq2seq.models import build_models  # noqa: PLC0415 - a cached run never loads it

    shape = DatasetFacts.model_validate(dataset.facts)
    models = build_models(shape.architecture(experiment.model))
    load_weights(models.train, training.path)
    codecs = read_codecs(dataset.path).for_loss(experiment.training.loss)
    facts = BundleFacts(
        units=experiment.model.decoder_width,
        parameters=models.train.count_params(),
        source=shape.source,
        target=shape.target,
        masked=shape.masked,
        relative=shape.relative,
    )
    save_bundle(folder, models.encoder, models.decoder, facts, experiment.model_dump(mode="json"))
    write_codecs(folder, codecs)
    write_json(folder / "profile.json", {**read_json(dataset.path / "profile.json"), **_rejects(experiment, shape)})
    save_decode(folder, models.encoder, models.decoder, codecs, facts)
    return Made(
        facts.model_dump(),
        identity=canonical_digest(
            [
                weights_digest(models.train),
                codecs.to_json(),
                facts.model_dump(),
                experiment.decoding.model_dump(mode="json"),
            ]
        ),
    )


def _rejects(experiment: Experiment, shape: DatasetFacts) -> dict[str, int]:
    """Rows read and rejected for the dataset; those of a series are time steps, not pairs, and are left out."""
    if getattr(experiment.data, "is_series", False):
        return {}
    rows = shape.train_rows + shape.validation_rows + shape.evaluation_rows + shape.rejected_rows
    rows += shape.held_back_rows
    return {"read": rows, "rejected": shape.rejected_rows}
