"""Which bundle a user means by a name, a digest or a folder, and what was found out about it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from tasks.seq2seq.errors import ArtifactError, SettingsError
from tasks.seq2seq.settings.rules import nearest
from tasks.storage.store.artifact_store import Store
from tasks.storage.store.kinds import BUNDLE, EVALUATION
from tasks.storage.store.manifest import DIGEST_PATTERN, MANIFEST, Handle, Manifest, short
from tasks.storage.store.promotions import promoted_names, read_promotions

_DIGITS = re.compile(r"[0-9a-f]{6,64}")


class FoundBundle(NamedTuple):
    """A bundle, and the name that it was found under, if any."""

    bundle: Handle
    name: str | None


def find_bundle(store: Store, model: str | None) -> FoundBundle:
    """The bundle that `model` names.

    Args:
        store: where it lies.
        model: a promoted name; six or more first digits of a bundle's digest; or its folder in the store. None means
            the only promoted name.

    Raises:
        SettingsError: there is none, or more than one.
        ArtifactError: it is missing, altered, or of a newer format.
    """
    names = promoted_names(store)
    if model is None:
        if len(names) != 1:
            raise SettingsError(_not_one(store, names))
        model = names[0]
    if model in names:
        promoted = read_promotions(store, model).promoted
        assert promoted is not None
        try:
            return FoundBundle(store.open(BUNDLE, promoted), model)
        except ArtifactError as error:
            raise ArtifactError(
                f"the model that is promoted as {model!r} cannot be used: {error}; train it again, or name another "
                f"with --model"
            ) from error
    if _DIGITS.fullmatch(model) and (found := _by_digest(store, model)):
        return FoundBundle(found, None)
    if "/" in model or Path(model).is_dir():
        return FoundBundle(_by_folder(store, Path(model)), None)
    raise SettingsError(
        f"--model {model} is not a promoted name, the digest of a bundle or a folder{nearest(model, names)}; "
        f"promoted in {store.shown} are: {', '.join(names) or 'none'}{_refused(store, model)}"
    )


def find_evaluation(store: Store, bundle_digest: str) -> Handle | None:
    """The newest evaluation of a bundle that is in the store; None without any."""
    found = []
    for digest in store.digests(EVALUATION):
        try:
            manifest = store.manifest(EVALUATION, digest)
        except ArtifactError:
            continue
        if manifest.made_from.get("bundle") == bundle_digest:
            found.append((manifest.made_at, manifest.digest))
    if not found:
        return None
    try:
        return store.open(EVALUATION, max(found)[1])
    except ArtifactError:
        return None


def _by_digest(store: Store, digits: str) -> Handle | None:
    found = [digest for digest in store.digests(BUNDLE) if digest.startswith(digits)]
    if len(found) > 1:
        raise SettingsError(
            f"--model {digits} begins the digests of {len(found)} bundles: {', '.join(found)}; give more digits"
        )
    if not found:
        store.refuse_former(BUNDLE, digits)
    return store.open(BUNDLE, found[0]) if found else None


def _by_folder(store: Store, folder: Path) -> Handle:
    if not folder.is_dir():
        raise SettingsError(f"--model {folder} does not exist; expected a name, a digest or a bundle's folder")
    manifest = Manifest.read(folder)
    if manifest.kind != BUNDLE:
        raise SettingsError(f"--model {folder} is an artifact of kind {manifest.kind!r}, expected a {BUNDLE}")
    if folder.resolve().parent != store.folder(BUNDLE, manifest.digest).resolve().parent:
        raise SettingsError(
            f"--model {folder} lies outside the store {store.shown}; name the store that it belongs to with --store, "
            f"or bring it in with: python -m flows.import_bundle {folder} --store {store.shown}"
        )
    name = folder.resolve().name
    if re.fullmatch(DIGEST_PATTERN, name) and name != manifest.digest:
        raise ArtifactError(
            f"{folder} holds {BUNDLE} {short(manifest.digest)}, expected {BUNDLE} {short(name)}: its {MANIFEST} is "
            f"another's"
        )
    return store.open(BUNDLE, manifest.digest)


def _not_one(store: Store, names: list[str]) -> str:
    if names:
        return f"--model is required: {len(names)} names are promoted in {store.shown}: {', '.join(names)}"
    return (
        f"no model is promoted in {store.shown}; train one with python -m flows.train_and_eval, or name a bundle by "
        f"its digest with --model"
    )


def _refused(store: Store, name: str) -> str:
    """Why a name that was decided upon serves nothing."""
    decisions = read_promotions(store, name).decisions
    return f"; of {name!r} no model passed its gate: {decisions[-1].reason}" if decisions else ""
