"""The experiments of a store: each model with its scores, and what it took; nothing is opened for use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tasks.storage.store.artifact_store import Store
from tasks.storage.store.inventory import Inventory, Stored, name_of, take_inventory
from tasks.storage.store.kinds import BUNDLE, EVALUATION, VALIDATION
from tasks.storage.store.manifest import Manifest

Scores = Mapping[str, Any]


@dataclass(frozen=True)
class StoredExperiment:
    """A model that was scored.

    Args:
        name: of its experiment.
        experiment: all settings, as they were recorded with its newest score.
        dataset: digest of what it was trained on and scored by.
        bundle: digest of it.
        evaluation: its scores on the pairs that prove it; None where there are none, as of a trial of a sweep.
        validation: its scores on the pairs that models are chosen by; None where there are none.
        seconds: of its training; None where that is no longer in the store.
        parameters: weights.
        bytes: of the bundle.
        promoted_as: the names under which it serves.
    """

    name: str
    experiment: Mapping[str, Any]
    dataset: str
    bundle: str
    evaluation: Scores | None
    validation: Scores | None
    seconds: float | None
    parameters: int
    bytes: int
    promoted_as: list[str]


def list_experiments(store: Store) -> list[StoredExperiment]:
    """Every model that was scored, on each dataset once, the oldest first; what is damaged is left out.

    Raises:
        ArtifactError: a record of promotions cannot be read.
    """
    inventory = take_inventory(store)
    sound = {one.digest: one for one in inventory.artifacts if one.fault is None}
    newest: dict[tuple[str, str], dict[str, Manifest]] = {}
    for one in sound.values():  # the oldest first
        origins = one.made_from
        if one.kind in (EVALUATION, VALIDATION) and origins.get("bundle") in sound and "dataset" in origins:
            place = newest.setdefault((origins["dataset"], origins["bundle"]), {})
            place[one.kind] = store.manifest(one.kind, one.digest)
    return [_describe(store, inventory, sound, dataset, bundle, found) for (dataset, bundle), found in newest.items()]


def _describe(
    store: Store,
    inventory: Inventory,
    sound: Mapping[str, Stored],
    dataset: str,
    bundle: str,
    found: Mapping[str, Manifest],
) -> StoredExperiment:
    experiment = (found.get(EVALUATION) or found[VALIDATION]).experiment
    training = sound.get(sound[bundle].made_from.get("training", ""))
    scores = {kind: manifest.facts.get("scores") for kind, manifest in found.items()}
    return StoredExperiment(
        name=name_of(experiment) or "",
        experiment=experiment,
        dataset=dataset,
        bundle=bundle,
        evaluation=scores.get(EVALUATION),
        validation=scores.get(VALIDATION),
        seconds=store.manifest(training.kind, training.digest).made_in_seconds if training else None,
        parameters=store.manifest(BUNDLE, bundle).facts.get("parameters", 0),
        bytes=sound[bundle].bytes,
        promoted_as=inventory.promoted_as(bundle),
    )
