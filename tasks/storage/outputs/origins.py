"""What a prediction file, or an artifact, came from: the way back to model, evaluation, dataset, settings, inputs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, ValidationError

from tasks.seq2seq.errors import ArtifactError, DataError
from tasks.storage.files.digests import file_digest
from tasks.storage.files.inputs import input_file
from tasks.storage.files.json_files import load_json
from tasks.storage.outputs.accounts import ACCOUNT, PICTURE, REJECTS, Account, Lineage
from tasks.storage.outputs.writers import LINEAGE
from tasks.storage.store.artifact_store import Store
from tasks.storage.store.inventory import Inventory, take_inventory
from tasks.storage.store.kinds import BUNDLE, EVALUATION, KINDS
from tasks.storage.store.manifest import Manifest

MISSING, SOUND = "missing", "sound"
RUN = "_run.json"


class Origin(BaseModel):
    """A step of the way back.

    Args:
        depth: how many steps back.
        what: the part that it plays, such as `bundle`, `dataset` or `input`.
        digest: of it.
        place: where it is, or was; None where nobody wrote that down.
        state: `sound`, `missing`, or what is wrong with it.
        facts: what else is known of it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    depth: int
    what: str
    digest: str
    place: str | None
    state: str
    facts: dict[str, Any]


def trace_prediction(store: Store, path: Path) -> list[Origin]:
    """What a file of predictions, rejects or a picture of states came from; or an account.

    Raises:
        DataError: the file is not there, or has neither an account nor a lineage of its own.
    """
    if not path.is_file():
        raise DataError(f"{path} does not exist; expected a prediction file, or six or more digits of a digest")
    account = _account_of(path)
    lineage = account.lineage if isinstance(account, Account) else _own_lineage(path, str(account))
    first = [_file(path, account), *_inputs(path, account, lineage)]
    inventory = take_inventory(store)
    return [*first, *_bundle(store, inventory, lineage)]


def trace_artifact(store: Store, kind: str, digest: str) -> list[Origin]:
    """What an artifact came from."""
    return [*_back(store, kind, digest, 0, set())]


def _account_of(path: Path) -> Account | str:
    for suffix in (ACCOUNT, REJECTS, PICTURE, path.suffix):
        if suffix and path.name.endswith(suffix):
            return Account.read_from(path.with_name(path.name.removesuffix(suffix) + ACCOUNT))
    return "it has no account"


def _own_lineage(path: Path, why: str) -> Lineage:
    try:
        metadata = pq.read_schema(path).metadata or {}
        return Lineage.model_validate_json(metadata[LINEAGE])
    except (OSError, KeyError, ValueError, ValidationError, pa.ArrowException) as error:
        raise DataError(
            f"{path} does not say what it came from: {why}, and it is no Parquet file of predictions; predict its "
            f"input again"
        ) from error


def _file(path: Path, account: Account | str) -> Origin:
    digest = file_digest(path)
    if isinstance(account, str):
        return Origin(depth=0, what="file", digest=digest, place=str(path), state=account, facts={})
    below = {Path(name).name: entry for name, entry in account.files.items()}
    entry = below.get(path.name)
    is_sound = path.name.endswith(ACCOUNT) or (entry is not None and entry.sha256 == digest)
    counted = ("read", "predicted", "history_only", "rejected", "reasons")
    return Origin(
        depth=0,
        what="file",
        digest=digest,
        place=str(path),
        state=SOUND if is_sound else "altered: its account names another digest",
        facts={name: getattr(account, name) for name in counted},
    )


def _inputs(path: Path, account: Account | str, lineage: Lineage) -> Iterator[Origin]:
    name = account.name if isinstance(account, Account) else None
    where = _input_path(path, name)
    state = "nobody wrote down where it was"
    if where:
        state = _state_of_file(where, lineage.input)
    settings = {"decoding": lineage.decoding, "writing": lineage.writing, "reading": lineage.reading}
    facts = {"name": name, **settings, "code": lineage.code, "engine": lineage.engine}
    yield Origin(depth=1, what="input", digest=lineage.input, place=where, state=state, facts=facts)


def _state_of_file(path: str, digest: str) -> str:
    try:
        return SOUND if input_file(path, "", None).digest() == digest else "its content is another one now"
    except (DataError, OSError):
        return MISSING


def _input_path(path: Path, name: str | None) -> str | None:
    """Where the last run into the output folder found the input."""
    for folder in path.absolute().parents if name else ():
        run = folder / RUN
        if run.is_file():
            return _listed(run, str(name))
    return None


def _listed(run: Path, name: str) -> str | None:
    try:
        files = load_json(run)["files"]
        return next((str(file["input"]) for file in files if file["name"] == name), None)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _bundle(store: Store, inventory: Inventory, lineage: Lineage) -> Iterator[Origin]:
    seen: set[str] = set()
    yield from _back(store, BUNDLE, lineage.model, 1, seen, {"promoted_as": inventory.promoted_as(lineage.model)})
    for user in inventory.used_by().get(lineage.model, []):
        if user.kind == EVALUATION:
            yield from _back(store, EVALUATION, user.digest, 2, seen)
    if lineage.dataset not in seen:
        yield from _back(store, "dataset", lineage.dataset, 2, seen)


def _back(
    store: Store, what: str, digest: str, depth: int, seen: set[str], facts: dict[str, Any] | None = None
) -> Iterator[Origin]:
    """An artifact, then what it was made from, each once."""
    seen.add(digest)
    kind = _kind_of(store, what, digest)
    if kind is None:
        is_file = what not in KINDS
        state = "a file, which is not in the store" if is_file else MISSING
        yield Origin(depth=depth, what=what, digest=digest, place=None, state=state, facts=facts or {})
        return
    where = store.shown_at(kind, digest)
    try:
        manifest = store.manifest(kind, digest)
    except ArtifactError as error:
        yield Origin(depth=depth, what=what, digest=digest, place=where, state=str(error), facts=facts or {})
        return
    known = {**_facts(manifest), **(facts or {})}
    state = _state(store, kind, digest)
    yield Origin(depth=depth, what=what, digest=digest, place=where, state=state, facts=known)
    for name, origin in manifest.made_from.items():
        if origin not in seen:
            yield from _back(store, name, origin, depth + 1, seen)


def _kind_of(store: Store, what: str, digest: str) -> str | None:
    """The kind of an artifact in the store, which plays the part of `what`."""
    kinds = sorted(KINDS, key=lambda kind: kind != what)
    return next((kind for kind in kinds if store.has(kind, digest)), None)


def _state(store: Store, kind: str, digest: str) -> str:
    try:
        store.check(kind, digest)
    except ArtifactError as error:
        return str(error)
    return SOUND


def _facts(manifest: Manifest) -> dict[str, Any]:
    return {
        "kind": manifest.kind,
        "made_at": manifest.made_at.isoformat(timespec="seconds"),
        "versions": manifest.versions,
        "settings": manifest.depends_on.get("settings", {}),
        "experiment": manifest.experiment,
    }
