"""Which model serves under a name, and every decision that led there.

<store>/promotions/<name>.json    {"promoted": DIGEST or null, "decisions": [...]}
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from tasks.seq2seq.errors import ArtifactError
from tasks.seq2seq.gate import Verdict
from tasks.storage.atomic import locked, write_atomically
from tasks.storage.store import Store


class Decision(BaseModel):
    """One answer of the gate; digests are whole."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str
    evaluation: str
    promoted: bool
    reason: str
    at: datetime


class Promotions(BaseModel):
    """What stands under a name; the decisions are in the order they were made."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    promoted: str | None = None
    decisions: tuple[Decision, ...] = ()

    def decision_of(self, model: str) -> Decision | None:
        """The last decision about a model."""
        return next((decision for decision in reversed(self.decisions) if decision.model == model), None)


def read_promotions(store: Store, name: str) -> Promotions:
    """What stands under `name`; nothing, where nothing was decided yet.

    Raises:
        ArtifactError: the record cannot be read.
    """
    path = _path(store, name)
    try:
        return Promotions.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return Promotions()
    except (OSError, ValueError, ValidationError) as error:
        raise ArtifactError(f"{path} cannot be read as a record of promotions: {error}") from error


def promoted_names(store: Store) -> list[str]:
    """The names under which a model serves, sorted.

    Raises:
        ArtifactError: a record cannot be read.
    """
    paths = sorted((store.root / "promotions").glob("[!.]*.json"))
    return [path.stem for path in paths if read_promotions(store, path.stem).promoted]


def decide(
    store: Store, name: str, model: str, evaluation: str, verdict: Verdict, *, again: bool
) -> tuple[Decision, bool]:
    """Records the gate's verdict on a model.

    Without `again`, a model that was decided upon before keeps that decision, so that a cached run
    promotes nothing, whatever was promoted since.

    Returns:
        The decision that stands, and whether it was made now.
    """
    with locked(store.root / "locks" / f"promotions-{name}"):
        before = read_promotions(store, name)
        stands = before.decision_of(model)
        if stands and not again:
            return stands, False
        decision = Decision(
            model=model,
            evaluation=evaluation,
            promoted=verdict.passed,
            reason=verdict.reason,
            at=datetime.now(UTC),
        )
        after = Promotions(
            promoted=model if verdict.passed else before.promoted,
            decisions=(*before.decisions, decision),
        )
        write_atomically(_path(store, name), after.model_dump_json(indent=1))
        return decision, True


def _path(store: Store, name: str) -> Path:
    return store.root / "promotions" / f"{name}.json"
