"""Holding a store against what its artifacts, its index and its promotions say of themselves."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import NamedTuple

from tasks.seq2seq.errors import ArtifactError, SettingsError
from tasks.storage.store.artifact_store import KEYS, Store
from tasks.storage.store.kinds import BUNDLE, HOLDOUT, KINDS
from tasks.storage.store.promotions import decided_names, read_promotions


class Found(NamedTuple):
    """Something of a store that was checked; `fault` says what is wrong with it."""

    kind: str
    name: str
    bytes: int
    fault: str | None


def find_digests(store: Store, digits: str) -> list[tuple[str, str]]:
    """Kind and digest of the artifacts whose digests begin so.

    Raises:
        SettingsError: there is none.
    """
    found = [(kind, digest) for kind in KINDS for digest in store.digests(kind) if digest.startswith(digits)]
    if not digits or not found:
        raise SettingsError(f"no artifact in {store.shown} has a digest that begins with {digits!r}")
    return found


def verify(store: Store, chosen: Collection[tuple[str, str]]) -> Iterator[Found]:
    """Reads every file of some artifacts."""
    for kind, digest in chosen:
        try:
            manifest = store.check(kind, digest)
        except ArtifactError as error:
            yield Found(kind, digest, 0, str(error))
        else:
            yield Found(kind, digest, sum(entry.bytes for entry in manifest.files.values()), None)


def verify_records(store: Store) -> Iterator[Found]:
    """Reads the records of promotions, and the index of steps; what they name must be there.

    An index that leads nowhere is no fault: what it led to may have been removed, and the step makes it again.
    """
    for name in decided_names(store):
        yield Found("promotions", name, 0, _fault_of_promotions(store, name))
    for name in store.record_names(KEYS):
        yield Found(KEYS, name, 0, _fault_of_index(store, name))


def _fault_of_promotions(store: Store, name: str) -> str | None:
    try:
        promotions = read_promotions(store, name)
        for kind, digest in ((BUNDLE, promotions.promoted), (HOLDOUT, promotions.holdout)):
            if digest:
                store.manifest(kind, digest)
    except ArtifactError as error:
        return f"promotions of {name!r}: {error}"
    return None


def _fault_of_index(store: Store, name: str) -> str | None:
    kind, _, key = name.rpartition("-")
    if store.last_making(kind, key):
        return None
    where = store.shown_record(KEYS, name)
    return f"{where} was altered, or is another step's: the step is made again when it is asked for"
