"""Which model serves under a name, and every decision that led there.

<store>/promotions/<name>.json    {"promoted": DIGEST or null, "holdout": DIGEST or null, "decisions": [...]}
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict

from tasks.seq2seq.errors import ArtifactError, SettingsError
from tasks.seq2seq.promotion.gate import Verdict
from tasks.storage.files.json_files import first_fault, parse_json
from tasks.storage.files.places import Content
from tasks.storage.store.artifact_store import PROMOTIONS, Store
from tasks.storage.store.manifest import Digest, canonical_digest


class Decision(BaseModel):
    """One decision about a model; digests are whole.

    `by`: the gate, or a person, whose word stands until a person changes it. `replaced`: the model that served before
    one that was promoted.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: Digest
    evaluation: Digest | None
    promoted: bool
    reason: str
    at: datetime
    by: Literal["gate", "person"] = "gate"
    replaced: Digest | None = None


class Promotions(BaseModel):
    """What stands under a name; the decisions are in the order they were made.

    `holdout`: the pairs that models are compared by, fixed with the first promotion. `checksum`: of all else and of the
    name, so that a record which was altered, or is another name's, is noticed; records of older versions have none.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    promoted: Digest | None = None
    holdout: Digest | None = None
    decisions: tuple[Decision, ...] = ()
    checksum: str | None = None

    def sealed(self, name: str) -> Self:
        """The same with its checksum."""
        return self.model_copy(update={"checksum": self._content_digest(name)})

    def is_of(self, name: str) -> bool:
        """Whether it is as it was written, and this name's."""
        return self.checksum in (None, self._content_digest(name))

    def _content_digest(self, name: str) -> str:
        return canonical_digest([name, self.model_dump(mode="json", exclude={"checksum"})])

    def decision_of(self, model: str) -> Decision | None:
        """The last decision about a model."""
        return next((decision for decision in reversed(self.decisions) if decision.model == model), None)

    def before(self, model: str) -> str | None:
        """The model that served before `model` did."""
        promoting = (one for one in reversed(self.decisions) if one.model == model and one.promoted)
        last = next(promoting, None)
        return last.replaced if last else None


Change = tuple[Decision, Promotions | None]  # a decision, and what stands once it is made; None where it stands already


class Promotion(BaseModel):
    """How the run's model stands under its name.

    `promoted`: it is the model that serves. `passed`: the last decision about it was to let it serve. `decided_now`:
    this run decided so; a run that made no new model decides nothing. `reason`: of that decision.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    promoted: bool
    passed: bool
    decided_now: bool
    reason: str


def read_promotions(store: Store, name: str) -> Promotions:
    """What stands under `name`; nothing, where nothing was decided yet.

    Raises:
        ArtifactError: the record cannot be read.
    """
    return _read(store, name)[0]


def _read(store: Store, name: str) -> tuple[Promotions, Content | None]:
    """What stands under a name, and the record that says so."""
    path = store.shown_record(PROMOTIONS, name)
    try:
        record = store.read_record(PROMOTIONS, name)
        promotions = Promotions.model_validate(parse_json(record.content)) if record else Promotions()
    except (OSError, ValueError, RecursionError) as error:
        raise ArtifactError(f"{path} cannot be read as a record of promotions: {first_fault(error)}") from error
    if not promotions.is_of(name):
        raise ArtifactError(
            f"{path} was altered, or is another name's: its checksum does not fit; bring it back from a backup of the "
            f"store"
        )
    return promotions, record


def decided_names(store: Store) -> list[str]:
    """The names under which a model was decided upon, sorted."""
    return store.record_names(PROMOTIONS)


def promoted_names(store: Store) -> list[str]:
    """The names under which a model serves, sorted.

    Raises:
        ArtifactError: a record cannot be read.
    """
    return [name for name in decided_names(store) if read_promotions(store, name).promoted]


def decide(
    store: Store,
    name: str,
    model: str,
    evaluation: str,
    verdict: Verdict,
    *,
    again: bool,
    compared_with: str | None,
    holdout: str | None = None,
) -> tuple[Decision, bool]:
    """Records the gate's verdict on a model.

    Without `again`, a model that was decided upon before keeps that decision, so that a cached run
    promotes nothing, whatever was promoted since. What a person decided stands in any case.

    Args:
        store: where the record lies.
        name: under which the model would serve.
        model: its digest.
        evaluation: of the evaluation that proves it.
        verdict: the gate's.
        again: whether the model or its evaluation was made anew.
        compared_with: the promoted model that the verdict knows of, if any.
        holdout: the pairs to compare models by from now on, where this is the first that is promoted.

    Returns:
        The decision that stands, and whether it was made now.
    """

    def change(before: Promotions) -> Change:
        stands = before.decision_of(model)
        if stands and (not again or stands.by == "person"):
            return stands, None
        given = verdict
        if verdict.passed and before.promoted not in (compared_with, model, None):
            given = Verdict(False, "another model was promoted while this one was compared; run again")
        decision = Decision(
            model=model,
            evaluation=evaluation,
            promoted=given.passed,
            reason=given.reason,
            at=datetime.now(UTC),
            replaced=_replaced(before, model) if given.passed else None,
        )
        return decision, _after(before, decision, holdout)

    return _change(store, name, change)


def promote(store: Store, name: str, model: str, reason: str, *, holdout: str | None = None) -> Decision:
    """Lets a model serve because a person says so.

    Args:
        store: where the record lies.
        name: under which it serves from now on.
        model: its digest.
        reason: of the person.
        holdout: the pairs to compare models by from now on, where none are fixed yet.
    """

    def change(before: Promotions) -> Change:
        decision = _by_person(model, reason, promoted=True, replaced=_replaced(before, model))
        return decision, _after(before, decision, holdout)

    return _change(store, name, change)[0]


def roll_back(store: Store, name: str, reason: str) -> Decision:
    """Lets the model serve again that served before the promoted one.

    Raises:
        SettingsError: there is none.
    """

    def change(before: Promotions) -> Change:
        if before.promoted is None:
            raise SettingsError(f"no model is promoted as {name!r}; there is nothing to roll back")
        model = before.before(before.promoted)
        if model is None:
            raise SettingsError(f"no other model served as {name!r} before the promoted one; promote one by its digest")
        refused = _by_person(before.promoted, f"rolled back: {reason}", promoted=False, replaced=None)
        # What it had replaced, not what it replaces now: a second time leads further back.
        again = _by_person(model, f"rolled back to: {reason}", promoted=True, replaced=before.before(model))
        return again, _after(before.model_copy(update={"decisions": (*before.decisions, refused)}), again, None)

    return _change(store, name, change)[0]


def _change(store: Store, name: str, change: Callable[[Promotions], Change]) -> tuple[Decision, bool]:
    """The decision that stands, and whether it was made now; where another came first, it is decided again."""
    while True:
        before, record = _read(store, name)
        decision, after = change(before)
        if after is None:
            return decision, False
        if store.swap_record(PROMOTIONS, name, after.sealed(name).model_dump_json(indent=1), record):
            return decision, True


def _replaced(before: Promotions, model: str) -> str | None:
    return before.before(model) if before.promoted == model else before.promoted


def _by_person(model: str, reason: str, *, promoted: bool, replaced: str | None) -> Decision:
    return Decision(
        model=model,
        evaluation=None,
        promoted=promoted,
        reason=reason,
        at=datetime.now(UTC),
        by="person",
        replaced=replaced,
    )


def _after(before: Promotions, decision: Decision, holdout: str | None) -> Promotions:
    return Promotions(
        promoted=decision.model if decision.promoted else before.promoted,
        holdout=before.holdout or (holdout if decision.promoted else None),
        decisions=(*before.decisions, decision),
    )
