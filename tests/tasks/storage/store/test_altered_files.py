"""Every file of every kind of artifact, altered one by one: it is noticed by name, and nothing wrong is served.

The store is a real one: a dataset, a training, a bundle, its evaluation and the holdout of its name.
"""

import contextlib
import json
import shutil
import subprocess
import sys

import pytest

from tasks.evaluate import evaluate_model
from tasks.generate import generate_dataset
from tasks.predict import load_predictor
from tasks.prediction.batch_check import check_batch
from tasks.seq2seq.errors import ArtifactError, Seq2SeqError
from tasks.seq2seq.settings.pruning import PruneSettings
from tasks.storage.artifacts.bundle import load_bundle, read_experiment
from tasks.storage.artifacts.holdout import fixed_holdout
from tasks.storage.artifacts.registry import find_bundle, find_evaluation
from tasks.storage.outputs.clean_up import plan_clean_up
from tasks.storage.store.artifact_store import Store
from tasks.storage.store.manifest import MANIFEST
from tasks.storage.store.promotions import promote, read_promotions
from tasks.storage.store.verify import verify, verify_records
from tests.conftest import ROOT
from tests.helpers.batch_models import batch_models
from tests.helpers.batch_runs import settings_of

pytestmark = pytest.mark.seconds


def deleted(path, _other):
    path.unlink()


def cut(path, _other):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flipped(path, _other):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def anothers(path, other):
    path.write_bytes(other)


def a_folder(path, _other):
    """In place of a file that may not be read: root reads all."""
    path.unlink()
    path.mkdir()


def edited(path, _other):
    """As a person would, in an editor."""
    content = json.loads(path.read_text())
    facts = content["facts"]
    content["facts"] = {**facts, "rows": 1} if "rows" in facts else {**facts, "masked": not facts.get("masked")}
    path.write_text(json.dumps(content))


DAMAGES = (deleted, cut, flipped, anothers, a_folder)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    root = tmp_path_factory.mktemp("altered") / "store"
    shutil.copytree(batch_models(tmp_path_factory).need("integers", "tiny"), root)
    return Store(root)


@pytest.fixture(scope="module")
def artifacts(store):
    """Of the model of integers and of the other one: the folder of each kind."""
    found = []
    for name in ("integers", "tiny"):
        bundle = find_bundle(store, name).bundle
        made_from = json.loads((bundle.path / MANIFEST).read_text())["made_from"]
        of_name = {kind: store.folder(kind, made_from[kind]) for kind in ("dataset", "training")}
        of_name |= {"bundle": bundle.path, "evaluation": find_evaluation(store, bundle.digest).path}
        found.append({**of_name, "holdout": fixed_holdout(store, name).path})
    return found


@contextlib.contextmanager
def altered(path, damage, other=b"{}"):
    """A file that is damaged while this lasts."""
    before = path.read_bytes()
    damage(path, other)
    try:
        yield
    finally:
        if path.is_dir():
            path.rmdir()
        path.write_bytes(before)


def others(path, other_folder):
    """The same file of another run, or, where that has none, another file."""
    other = other_folder / path.name
    return (other if other.exists() else other_folder / MANIFEST).read_bytes()


def refused(action, *names):
    """The action is refused with a message that has one of the names."""
    with pytest.raises(ArtifactError) as error:
        action()
    assert any(name in str(error.value) for name in names), error.value


def ask_for(kind, store, digest, tmp_path):
    """What commands do with an artifact of a kind, which must notice."""
    folder = str(store.folder(kind, digest))
    refused(lambda: store.open(kind, digest), folder)
    if kind == "bundle":
        (tmp_path / "a.jsonl").write_text('{"source": [1, 2]}')
        settings = settings_of(tmp_path / "a.jsonl", output=tmp_path / "out", model="integers")
        refused(lambda: check_batch(settings, store), folder)
        refused(lambda: find_bundle(store, digest), folder)
        refused(lambda: find_bundle(store, folder), folder)
        with pytest.raises(Seq2SeqError):
            load_predictor("integers", store=store.root)
        assert not (tmp_path / "out").exists()
    if kind == "holdout":
        refused(lambda: fixed_holdout(store, "integers"), folder)
    if kind == "evaluation":
        assert find_evaluation(store, find_bundle(store, "integers").bundle.digest) is None


@pytest.mark.parametrize("kind", ["dataset", "training", "bundle", "evaluation", "holdout"])
def test_each_file_of_an_artifact_that_is_altered_is_noticed_by_name_and_not_used(kind, store, artifacts, tmp_path):
    folder, other = (of_name[kind] for of_name in artifacts)
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    assert len(files) > 1
    for path in files:
        for damage in (*DAMAGES, *[edited] * (path.name == MANIFEST)):
            content = others(path, other)
            if damage is anothers and content == path.read_bytes():
                continue
            with altered(path, damage, content):
                ((_, _, _, fault),) = verify(store, [(kind, folder.name)])
                assert fault, (path, damage)
                assert folder.name in fault
                assert path.name in fault or damage is anothers, (fault, damage)
                ask_for(kind, store, folder.name, tmp_path)
    ((_, _, _, fault),) = verify(store, [(kind, folder.name)])
    assert fault is None


def test_a_file_beside_those_of_the_manifest_is_noticed_likewise(store, artifacts):
    for kind, folder in artifacts[0].items():
        added = folder / "evaluation.json.bak"
        added.write_text("mine")
        try:
            ((_, _, _, fault),) = verify(store, [(kind, folder.name)])
            assert "evaluation.json.bak" in str(fault)
        finally:
            added.unlink()


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_a_record_of_promotions_that_is_altered_serves_nothing(damage, store):
    path = store.root / "promotions" / "integers.json"
    other = (store.root / "promotions" / "tiny.json").read_bytes()
    with altered(path, damage, other):
        if damage is deleted:
            assert read_promotions(store, "integers").promoted is None
        else:
            refused(lambda: read_promotions(store, "integers"), str(path))
            refused(lambda: promote(store, "integers", "0" * 64, "why"), str(path))
            refused(lambda: plan_clean_up(PruneSettings(), store.root), str(path))
            assert [found.fault for found in verify_records(store) if found.name == "integers" and found.fault]
        with pytest.raises(Seq2SeqError):
            find_bundle(store, "integers")
    assert find_bundle(store, "integers").name == "integers"


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_an_index_that_is_altered_leads_to_nothing_else(damage, store):
    for path in sorted((store.root / "keys").glob("*.json")):
        kind, _, _ = path.stem.rpartition("-")
        another = next(
            (other for other in sorted((store.root / "keys").glob(f"{kind}-*.json")) if other != path), path
        ).read_bytes()
        with altered(path, damage, another):
            faults = [found.fault for found in verify_records(store) if found.name == path.stem]
            assert faults == [] if damage is deleted else faults[0] or path.read_bytes() == another


@pytest.fixture
def copy(store, tmp_path):
    """A store to make things in again."""
    shutil.copytree(store.root, tmp_path / "copy")
    return Store(tmp_path / "copy")


def test_what_can_be_made_again_is_made_again_as_it_was(copy):
    bundle = find_bundle(copy, "integers").bundle
    experiment = read_experiment(bundle)
    dataset = copy.open("dataset", json.loads((bundle.path / MANIFEST).read_text())["made_from"]["dataset"])
    evaluation = find_evaluation(copy, bundle.digest)
    before = (evaluation.path / "predictions.parquet").read_bytes()
    for damage in (deleted, cut, flipped, a_folder):
        damage(evaluation.path / "predictions.parquet", b"")
        again = evaluate_model.fn(experiment, dataset, bundle, copy.root)
        assert again.digest == evaluation.digest
        assert (again.path / "predictions.parquet").read_bytes() == before
    flipped(dataset.path / "train.parquet", b"")
    again = generate_dataset.fn(experiment, copy.root)
    assert again.digest == dataset.digest
    assert copy.open("dataset", dataset.digest)


def test_a_model_is_not_compared_on_a_holdout_that_is_altered(copy):
    bundle, holdout = find_bundle(copy, "integers").bundle, fixed_holdout(copy, "integers")
    flipped(holdout.path / "sources.npz", b"")
    refused(lambda: fixed_holdout(copy, "integers"), "sources.npz")
    flipped(bundle.path / "step.onnx", b"")
    refused(lambda: load_bundle(bundle, copy), "step.onnx")


def test_commands_in_processes_of_their_own_say_what_is_altered(copy, tmp_path):
    bundle = find_bundle(copy, "integers").bundle
    flipped(bundle.path / "step.onnx", b"")
    (tmp_path / "a.jsonl").write_text('{"source": [1, 2]}')

    def ask(name, *words):
        command = [sys.executable, "-m", f"flows.{name}", *words, "--store", copy.root]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    for code, done in (
        (2, ask("batch_predict", tmp_path / "a.jsonl", "--output", tmp_path / "out", "--model", "integers")),
        (1, ask("store", "verify")),
        (2, ask("promotions", "other", "--promote", bundle.digest, "--reason", "why")),
    ):
        assert done.returncode == code, done.stderr
        assert "step.onnx was altered" in done.stderr
        assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()
