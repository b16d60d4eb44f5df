"""Stores of models with all that they were made from, without a model in them: what a clean-up looks at."""

import json
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from tasks.seq2seq.promotion.gate import Verdict
from tasks.storage.store.making import Made, StepInputs
from tasks.storage.store.manifest import MANIFEST, Handle, Manifest
from tasks.storage.store.promotions import decide, read_promotions


class Chain(NamedTuple):
    """A model, and what it was made from and what was made from it."""

    dataset: Handle
    checks: Handle
    training: Handle
    bundle: Handle
    evaluation: Handle
    report: Handle


def put(store, kind, content, made_from, *, name="g2p", days=0.0, size=1000):
    """An artifact of some bytes that was made some days ago."""

    def write(folder):
        (folder / "content.txt").write_text(content.ljust(size))
        return Made({})

    step = StepInputs(kind, {"content": content}, made_from, {"name": name}, {})
    with store.lock(step):
        handle = store.make(step, write)
    if days:
        age(handle, days)
    return handle


def age(handle, days):
    """Makes an artifact look as if it had been made some days ago."""
    made_at = datetime.now(UTC) - timedelta(days=days)
    sealed = Manifest.read(handle.path).model_copy(update={"made_at": made_at}).sealed()
    (handle.path / MANIFEST).write_text(sealed.model_dump_json())


def chain(store, n=0, *, name="g2p", days=0.0, dataset=None, start=None):
    """The n-th model of a name."""
    dataset = dataset or put(store, "dataset", f"{name} {n}", {"train": "f" * 64}, name=name, days=days)
    checks = put(store, "checks", f"{name} {n}", {"dataset": dataset.digest}, name=name, days=days)
    origin = {"dataset": dataset.digest, **({"start": start.digest} if start else {})}
    training = put(store, "training", f"{name} {n}", origin, name=name, days=days)
    both = {"dataset": dataset.digest, "training": training.digest}
    bundle = put(store, "bundle", f"{name} {n}", both, name=name, days=days)
    judged = {"dataset": dataset.digest, "bundle": bundle.digest}
    evaluation = put(store, "evaluation", f"{name} {n}", judged, name=name, days=days)
    report = put(store, "report", f"{name} {n}", {**judged, "evaluation": evaluation.digest}, name=name, days=days)
    return Chain(dataset, checks, training, bundle, evaluation, report)


def serve(store, made, name="g2p", holdout=None):
    """Lets a model of a chain serve, as its gate does."""
    decide(
        store, name, made.bundle.digest, made.evaluation.digest, Verdict(passed=True, reason="good"), again=True,
        compared_with=read_promotions(store, name).promoted, holdout=holdout and holdout.digest,
    )  # fmt: skip


def there(*handles):
    """Which of some artifacts are there."""
    return [handle.path.exists() for handle in handles]


def index_of(store, handle):
    """The index of the step that made an artifact."""
    key = json.loads((handle.path / "manifest.json").read_text())["key"]
    return store.root / "keys" / f"{handle.kind}-{key}.json"
