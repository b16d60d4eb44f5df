"""A disk that is full at any write: one clear error, nothing of what was begun, and the same command goes on later."""

import json

import pytest

from tasks.seq2seq.errors import ArtifactError
from tasks.storage.store.artifact_store import Store
from tests.helpers.batch_runs import contents, predict
from tests.helpers.full_disk import files_of_at_most
from tests.helpers.small_bundles import make
from tests.helpers.stored import digest

pytestmark = pytest.mark.seconds


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """A store with a model, and its digest."""
    store = Store(tmp_path_factory.mktemp("served") / "store")
    return store.root, make(store, made_from={"dataset": digest("dataset")}).digest


@pytest.fixture
def rows(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps({"source": [1 + i % 6] * 3, "note": f"row {i}"}) + "\n" for i in range(400)))
    return path


def left(output):
    return {path.suffix for path in (output / ".work").glob("*/*")}


@pytest.mark.parametrize("n_bytes", [0, 50, 500, 1500, 2500, 4000, 6000])
def test_a_prediction_leaves_predicted_chunks_only_and_goes_on_to_the_same_bytes(served, rows, tmp_path, n_bytes):
    store, model = served
    given = {"model": model, "chunk_rows": 50}
    with files_of_at_most(n_bytes), pytest.raises(ArtifactError, match="make room"):
        predict(store, rows, output=tmp_path / "out", **given)
    assert left(tmp_path / "out") <= {".part"}
    assert contents(tmp_path / "out") == {}
    predict(store, rows, output=tmp_path / "out", **given)
    predict(store, rows, output=tmp_path / "undisturbed", **given)
    assert contents(tmp_path / "out") == contents(tmp_path / "undisturbed")


def test_what_other_settings_left_makes_room_too(served, rows, tmp_path):
    store, model = served
    other = tmp_path / "out" / ".work" / "0123456789abcdef"
    other.mkdir(parents=True)
    for name in ("000000.staged", "output.csv", "rejects.parquet", "000000.part"):
        (other / name).write_text("of a run that was killed")
    with files_of_at_most(500), pytest.raises(ArtifactError, match="make room"):
        predict(store, rows, output=tmp_path / "out", model=model, chunk_rows=50)
    assert [path.name for path in other.iterdir()] == ["000000.part"]


TRAINING = """
import sys, tempfile
from pathlib import Path
from tasks.export import export_model
from tasks.export_saved_model import export_saved_model
from tasks.generate import generate_dataset
from tasks.seq2seq.errors import ArtifactError
from tasks.seq2seq.settings.rules import check_experiment
from tasks.train import train_model
from tests.helpers.full_disk import files_of_at_most

store = Path(sys.argv[1])
tempfile.gettempdir()  # found by writing to it
experiment = check_experiment({
    "data": {"n_in": 4, "n_out": 2, "cardinality": 6, "n_samples": 2000},
    "model": {"units": 16, "embedding": 8}, "training": {"epochs": 1, "batch_size": 64},
})

def made(kind, step, *sizes):
    for n_bytes in sizes:
        try:
            with files_of_at_most(n_bytes):
                step()
        except ArtifactError as error:
            assert "make room" in str(error), error
        else:
            raise AssertionError((kind, n_bytes))
        assert not [*store.glob(f"{kind}/[!.]*"), *store.glob(f"{kind}/.making-*")]
    return step()

dataset = made("dataset", lambda: generate_dataset.fn(experiment, store), 0, 3000)
training = made("training", lambda: train_model.fn(experiment, dataset, store), 0, 8000, 40000, 60000)
bundle = made("bundle", lambda: export_model.fn(experiment, dataset, training, store), 0, 3000, 20000)
made("saved_model", lambda: export_saved_model.fn(experiment, dataset, bundle, store), 0, 8000, 60000, 200000)
print("all made")
"""


@pytest.mark.slow
def test_each_step_of_a_model_says_so_tensorflows_and_hdf5s_writes_too(run_python, tmp_path):
    assert run_python(TRAINING, tmp_path / "store").splitlines()[-1] == "all made"
