"""Bundles of models that were built and not trained, and what an older version of the project made of such a model."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

from tasks.seq2seq.settings.experiment import Experiment
from tasks.storage.artifacts.bundle import GRAPHS, KERAS_MODELS, BundleFacts
from tasks.storage.artifacts.dataset import SideFacts, write_codecs
from tasks.storage.artifacts.keras_models import save_bundle, weights_digest
from tasks.storage.files.digests import file_digest
from tasks.storage.files.json_files import write_json
from tasks.storage.store.artifact_store import Store
from tasks.storage.store.making import Made, StepInputs
from tasks.storage.store.manifest import MANIFEST, FileEntry, Handle, Manifest
from tests.helpers.exported import Exported
from tests.helpers.stored import digest

MADE_FROM = {"dataset": digest("dataset"), "training": digest("training")}
INPUTS = StepInputs("bundle", {}, MADE_FROM, {}, {})


def facts_of(model: Exported) -> BundleFacts:
    """The facts of a model; its sources are as long as its targets at most."""
    longest = model.n_steps - model.codecs.target.has_end
    source, target = (SideFacts.of(codec, longest) for codec in (model.codecs.source, model.codecs.target))
    masked, units = model.architecture.masked, model.architecture.settings.decoder_width
    return BundleFacts(units=units, parameters=1, source=source, target=target, masked=masked, relative=False)


def make_bundle(store: Store, model: Exported, change: Callable[[Path], None] = lambda _folder: None) -> Handle:
    """A bundle of a model; `change` alters its files before they are recorded."""
    facts = facts_of(model)
    experiment = Experiment(seed=3, model=model.architecture.settings)
    lengths = range(1, facts.source.length + 1) if facts.masked else [facts.source.length]

    def write(folder: Path) -> Made:
        save_bundle(folder, model.models.encoder, model.models.decoder, facts, experiment)
        write_codecs(folder, model.codecs)
        write_json(folder / "profile.json", {"source": {"lengths": {str(length): 1 for length in lengths}}})
        change(folder)
        both = (model.models.encoder, model.models.decoder)
        return Made(
            facts.model_dump(),
            alike={name: weights_digest(one) for name, one in zip(KERAS_MODELS, both, strict=True)},
        )

    with store.lock(INPUTS):
        return store.make(INPUTS, write)


def reseal(folder: Path, **changes: object) -> None:
    """Changes what a manifest says, and seals it anew."""
    content = {**json.loads((folder / MANIFEST).read_text()), **changes, "checksum": ""}
    sealed = Manifest.model_validate(content).sealed()
    (folder / MANIFEST).write_text(sealed.model_dump_json())


def record(folder: Path) -> None:
    """Has a manifest name the files that are there, as they are."""
    files = {
        path.relative_to(folder).as_posix(): FileEntry(sha256=file_digest(path), bytes=path.stat().st_size).model_dump()
        for path in folder.rglob("*")
        if path.is_file() and path.name != MANIFEST
    }
    reseal(folder, files=files)


def former(bundle: Handle, folder: Path) -> Path:
    """The same bundle as an older version of the project made it: of format 1, with a SavedModel and without graphs."""
    shutil.copytree(bundle.path, folder)
    for name in GRAPHS:
        (folder / name).unlink()
    (folder / "saved_model" / "1").mkdir(parents=True)
    (folder / "saved_model" / "1" / "saved_model.pb").write_bytes(b"for other programs")
    reseal(folder, format_version=1, digest=digest("former"))
    record(folder)
    return folder
