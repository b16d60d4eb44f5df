"""What somebody wrote into a store to do harm, its digests made anew: named in a line, and nothing is executed.

Who can write the store decides what is predicted; it must not decide what this program executes, reads or writes.
"""

import io
import os
import shutil
import zipfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flows.promotions import main as promotions_command
from flows.store import main as store_command
from tasks.evaluate import evaluate_model
from tasks.generate import generate_dataset
from tasks.promote import fix_holdout
from tasks.seq2seq.errors import ArtifactError, Seq2SeqError
from tasks.seq2seq.settings.rules import check_experiment
from tasks.storage.artifacts.bundle import load_bundle
from tasks.storage.artifacts.dataset import read_evaluation, read_pairs
from tasks.storage.artifacts.holdout import fixed_holdout, read_holdout, read_sources
from tasks.storage.files.archives import load_arrays
from tasks.storage.outputs.predictions import read_held_out
from tasks.storage.store.artifact_store import Store
from tasks.storage.store.promotions import promote
from tests.helpers.hostile_bundles import outside_of
from tests.helpers.model_bundles import record
from tests.helpers.small_bundles import make
from tests.helpers.stored import digest, listing

PROBLEM = {"data": {"n_in": 3, "n_out": 3, "cardinality": 6, "n_samples": 50}, "evaluation": {"n_samples": 5}}
LONGEST = 1500


class Code:
    """Unpickled, it makes the canary."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return open, (self.path, "w")


@pytest.fixture(scope="module")
def pristine(tmp_path_factory):
    """A store with a dataset, a model, its evaluation, and the holdout of its name."""
    folder = tmp_path_factory.mktemp("pristine")
    store = Store(folder / "store")
    experiment = check_experiment({"name": "m", **PROBLEM})
    dataset = generate_dataset.fn(experiment, store.root)
    bundle = make(store, made_from={"dataset": dataset.digest, "training": digest("training")})
    evaluate_model.fn(experiment, dataset, bundle, store.root)
    holdout = fix_holdout(experiment, dataset, store)
    promote(store, "m", bundle.digest, "for the test", holdout=holdout.digest)
    return store.root


@pytest.fixture
def store(pristine, tmp_path):
    return Store(shutil.copytree(pristine, tmp_path / "store"))


def folder_of(store, kind):
    (folder,) = (path for path in (store.root / kind).iterdir() if not path.name.startswith("."))
    return folder


def pickled(path, outside):
    """In the place of each array an object that makes the canary."""
    names = [*load_arrays(path)]
    arrays = {name: np.array([Code(outside / "canary")], dtype=object) for name in names}
    np.savez(path, **arrays)  # type: ignore[arg-type]


def expanding(path, _outside):
    """A member that is a thousand times as large as the file."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("source.npy", "target.npy", "hashes.npy"):
            archive.writestr(name, bytes(100 * 2**20))


def announced(path, _outside):
    """A header that says more than there is."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<i4", "fortran_order": False, "shape": (2**40, 3)})
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("source.npy", "target.npy", "hashes.npy"):
            archive.writestr(name, header.getvalue() + bytes(12))


def of_other_types(path, _outside):
    np.savez(path, source=np.array(["a"]), target=np.zeros((3, 3)), hashes=np.zeros(3))


def no_archive(path, _outside):
    path.write_bytes(b"\x80\x04\x95junk")


def linked(path, outside):
    path.unlink()
    path.symlink_to(outside / "secret")


def cut_footer(path, _outside):
    path.write_bytes(path.read_bytes()[:-20] + bytes(20))


def other_columns(path, _outside):
    metadata = pq.read_schema(path).metadata
    pq.write_table(pa.table({"\x1b[2J": [1]}).replace_schema_metadata(metadata), path)


def text_columns(path, _outside):
    metadata = pq.read_schema(path).metadata
    pq.write_table(pa.table({"source": ["a"], "target": ["b"]}).replace_schema_metadata(metadata), path)


ARRAYS = (pickled, expanding, announced, of_other_types, no_archive, linked)
TABLES = (cut_footer, other_columns, text_columns, no_archive, linked)
FILES = {
    ("dataset", "evaluation.npz"): ARRAYS,
    ("dataset", "train.parquet"): TABLES,
    ("holdout", "sources.npz"): ARRAYS,
    ("holdout", "evaluation.npz"): ARRAYS,
    ("evaluation", "predictions.parquet"): (cut_footer, other_columns, no_archive, linked),
}
CASES = [(kind, name, change) for (kind, name), changes in FILES.items() for change in changes]


def without_locks(root):
    """All that lies below a folder but for a store's locks, which stay."""
    return {path: held for path, held in listing(root).items() if "locks" not in path.parts}


def use(store, kind, name):
    """What a run does with a file of an artifact that it has opened."""
    if kind == "holdout":
        holdout = fixed_holdout(store, "m")
        assert holdout
        read_sources(holdout)
        bundle = store.open("bundle", folder_of(store, "bundle").name)
        return list(read_holdout(holdout, load_bundle(bundle, store).codecs))
    folder = store.open(kind, folder_of(store, kind).name).path
    if kind == "evaluation":
        bundle = store.open("bundle", folder_of(store, "bundle").name)
        return read_held_out(folder, load_bundle(bundle, store).codecs)
    return list(read_evaluation(folder) if name == "evaluation.npz" else read_pairs(folder / name))


@pytest.mark.parametrize(("kind", "name", "change"), CASES, ids=[f"{name} {c.__name__}" for _, name, c in CASES])
def test_a_hostile_file_of_an_artifact_is_named_in_one_line_and_nothing_is_executed(
    store, tmp_path, kind, name, change
):
    outside, folder = outside_of(tmp_path), folder_of(store, kind)
    change(folder / name, outside)
    record(folder)
    with pytest.raises(ArtifactError) as error:
        use(store, kind, name)
    said = str(error.value)
    assert str(folder) in said
    assert said.isprintable()
    assert len(said) < LONGEST
    assert "secret of mine" not in said
    assert not (outside / "canary").exists()


def test_files_of_a_sound_store_are_read(store):
    """What all cases begin with."""
    for kind, name in FILES:
        assert use(store, kind, name)


def test_a_dataset_is_not_made_beside_a_hostile_holdout_and_nothing_is_executed(store, tmp_path):
    outside, folder = outside_of(tmp_path), folder_of(store, "holdout")
    pickled(folder / "sources.npz", outside)
    record(folder)
    another = check_experiment({"name": "m", **PROBLEM, "seed": 1})
    with pytest.raises(Seq2SeqError, match=r"sources\.npz cannot be read as arrays: .* have to be unpickled"):
        generate_dataset.fn(another, store.root)
    assert not (outside / "canary").exists()


RECORDS = {
    "a path": '{"promoted": "../../outside"}',
    "an absolute path": '{"promoted": "/etc/passwd"}',
    "deep": "[" * 50_000 + "]" * 50_000,
    "words that act": '{"promoted": "\\u001b[2J"}',
    "no UTF-8": b"\xff\xfe",
    "a number of many digits": '{"promoted": ' + "9" * 100_000 + "}",
}


@pytest.mark.parametrize("content", RECORDS.values(), ids=RECORDS)
@pytest.mark.parametrize("words", [[], ["m"], ["m", "--rollback", "--reason", "for the test"]])
def test_a_hostile_record_of_promotions_is_named_in_one_line_by_the_command(store, tmp_path, capsys, content, words):
    path = store.root / "promotions" / "m.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    before = without_locks(tmp_path)
    assert promotions_command([*words, "--store", str(store.root)]) == 2
    said = capsys.readouterr()
    assert not said.out
    assert said.err.startswith(f"refused: {path} cannot be read as a record of promotions")
    assert said.err[:-1].isprintable()
    assert without_locks(tmp_path) == before


def test_a_name_that_is_a_path_is_refused_by_the_command(store, tmp_path, capsys):
    before = listing(tmp_path)
    for name in ("../m", "/etc/passwd", "..", "a/b", "\x1b[2J"):
        digits = folder_of(store, "bundle").name[:12]
        assert promotions_command([name, "--promote", digits, "--reason", "r", "--store", str(store.root)]) == 2
        said = capsys.readouterr()
        assert said.err.startswith("refused: ")
        assert said.err[:-1].isprintable()
    assert listing(tmp_path) == before


@pytest.mark.parametrize("kind", ["dataset", "bundle", "evaluation", "holdout"])
def test_links_and_pipes_within_artifacts_are_faults_that_the_store_names(store, tmp_path, capsys, kind):
    outside, folder = outside_of(tmp_path), folder_of(store, kind)
    (folder / "more").symlink_to(outside)
    assert store_command(["verify", "--store", str(store.root)]) == 1
    assert "it holds 'more', which its manifest does not name" in capsys.readouterr().err
    (folder / "more").unlink()
    os.mkfifo(folder / "more")
    assert store_command(["verify", "--store", str(store.root)]) == 1
    assert "it holds 'more', which its manifest does not name" in capsys.readouterr().err
