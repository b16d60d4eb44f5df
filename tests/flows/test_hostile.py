"""The real commands on a store into which somebody wrote a hostile model: nothing is executed, and one line says so."""

import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.storage.artifacts.registry import find_bundle
from tasks.storage.store.artifact_store import Store
from tests.helpers.batch_models import batch_models
from tests.helpers.hostile_bundles import CHANGES, outside_of
from tests.helpers.model_bundles import record
from tests.helpers.processes import finish
from tests.helpers.settled import make_old

pytestmark = pytest.mark.slow
CHANGED = ("a Lambda layer", "a layer by its module", "a bomb", "weights in another file")
TRAINING = (
    *("--name", "tiny", "--seed", "5", "--training.start", "promoted", "--evaluation.min-sequence-accuracy", "0"),
    *("--data.n-in", "4", "--data.n-out", "2", "--data.cardinality", "6", "--data.n-samples", "3000"),
    *("--model.units", "16", "--model.embedding", "8", "--training.batch-size", "64"),
)


@pytest.fixture
def store(tmp_path, tmp_path_factory):
    """A store whose model serves, and is altered by the tests."""
    return Store(shutil.copytree(batch_models(tmp_path_factory).need("tiny"), tmp_path / "store"))


@pytest.mark.parametrize("name", CHANGED)
def test_training_does_not_start_from_a_hostile_model_and_prediction_does_not_look_at_it(
    store, tmp_path, start_process, server, name
):
    outside, folder = outside_of(tmp_path), find_bundle(store, "tiny").bundle.path
    CHANGES[name][0](folder, outside)
    record(folder)
    given = {"PREFECT_API_URL": server, "PYTHONPATH": str(outside)}
    pq.write_table(pa.table({"source": np.ones((20, 4), np.int64).tolist()}), tmp_path / "a.parquet")
    make_old(tmp_path / "a.parquet")
    words = ("a.parquet", "--output", "out", "--model", folder, "--store", store.root)
    flags = [tmp_path / word if word in ("a.parquet", "out") else word for word in words]
    training = start_process("-m", "flows.train_and_eval", *TRAINING, "--store", store.root, **given)
    predicting = start_process("-m", "flows.batch_predict", *flags, **given)
    code, said = finish(training)
    assert code == 1, said
    (line,) = (line for line in said.splitlines() if line.startswith("failed: "))
    assert str(folder) in line
    code, said = finish(predicting)
    assert code == 0, said
    assert "20 rows read = 20 predicted + 0 rejected" in said
    assert not (outside / "canary").exists()
