"""The model that a training starts from: the promoted one, where the experiment asks for it."""

from __future__ import annotations

from typing import Any

from tasks.seq2seq.errors import ArtifactError, SettingsError
from tasks.seq2seq.settings.experiment import UNKEYED, Experiment
from tasks.storage.artifacts.bundle import read_experiment
from tasks.storage.store.artifact_store import Store
from tasks.storage.store.kinds import BUNDLE
from tasks.storage.store.manifest import Manifest
from tasks.storage.store.promotions import read_promotions

TRAINING = "training"


def check_start(experiment: Experiment, store: Store) -> None:
    """Refuses to start from a promoted model that cannot be started from, before any work starts.

    Raises:
        Seq2SeqError: with what to do.
    """
    find_start(experiment, "", store)


def find_start(experiment: Experiment, dataset_digest: str, store: Store) -> str | None:
    """The digest of the bundle whose weights training starts from; None for new weights.

    Raises:
        SettingsError: the promoted model is of another architecture.
        ArtifactError: it is missing or altered.
    """
    promoted = read_promotions(store, experiment.promotion_name).promoted
    if experiment.training.start == "scratch" or promoted is None:
        return None
    bundle = store.open(BUNDLE, promoted)
    now, before = (one.model.model_dump(mode="json") for one in (experiment, read_experiment(bundle)))
    changed = [
        f"model.{name} is {value!r}, of the promoted model {before[name]!r}"
        for name, value in now.items()
        if _differs(name, value, before[name])
    ]
    if changed:
        raise SettingsError(
            f'training.start is "promoted", but the model that is promoted as {experiment.promotion_name!r} is of '
            f'another architecture: {"; ".join(changed)}; make them the same, or set training.start to "scratch"'
        )
    made_from = Manifest.read(bundle.path).made_from
    if made_from.get("dataset") != dataset_digest:
        return promoted
    # It was trained on this very dataset: what it started from is the start again, so that nothing is made twice.
    try:
        return store.manifest(TRAINING, made_from["training"]).made_from.get("start")
    except (ArtifactError, KeyError):
        return promoted


def _differs(name: str, now: Any, before: Any) -> bool:  # noqa: ANN401 - values of settings
    """Of vectors only whether there are any: symbols that the promoted model knows keep their weights."""
    return (now is None) != (before is None) if name in UNKEYED["model"] else bool(now != before)
