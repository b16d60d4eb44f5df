"""Large files in spans: predicted in any order, by several, again after a kill, the outputs are those of one reading."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.predict_batch import plan_batch
from tasks.prediction.batch_model import find_model
from tasks.prediction.divided import join_spans, predict_span
from tasks.prediction.loaded_model import ServingModel
from tasks.reporting.states_picture import SampledStates
from tasks.seq2seq.errors import DataError
from tasks.storage.outputs.output_paths import only_run
from tasks.storage.store.artifact_store import Store
from tests.helpers.batch_models import batch_models, integer_pairs
from tests.helpers.batch_runs import contents, predict, settings_of
from tests.tasks.test_predict_batch import write

pytestmark = pytest.mark.seconds
N = 120


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return batch_models(tmp_path_factory).need("integers")


@pytest.fixture(scope="module")
def rows():
    source, target = integer_pairs(N, seed=3)
    for i in range(0, N, 9):
        source[i] = []  # which no row may be
    return {"id": list(range(N)), "source": source, "target": target}


def planned(store, path, out, **asked):
    """The settings, the model and the one job of a run."""
    settings = settings_of(path, output=out, model="integers", **{"chunk_rows": 7, **asked})
    (job,) = plan_batch.fn(settings, store)
    return job, find_model(settings, Store(store)), settings


def joined(store, job, model, settings):
    """Puts the spans together."""
    with only_run(settings):
        spans = range(len(job.division.spans))
        return join_spans(job, (0 for _ in spans), model, settings, store, SampledStates)


@pytest.mark.parametrize("kind", ["parquet", "csv", "jsonl"])
@pytest.mark.parametrize("suffix", ["jsonl", "parquet", "arrow"])
def test_spans_in_any_order_give_the_bytes_of_one_reading(store, rows, tmp_path, suffix, kind):
    path = write(tmp_path / f"a.{suffix}", rows)
    if suffix == "arrow":
        table = pa.ipc.open_file(path).read_all()
        with pa.ipc.new_file(path, table.schema) as writer:
            writer.write_table(table, max_chunksize=5)
    predict(store, path, output=tmp_path / "whole", model="integers", chunk_rows=7, format=kind)
    job, model, settings = planned(store, path, tmp_path / "spans", format=kind)
    numbers = [*range(len(job.division.spans))]
    assert len(numbers) > 2
    for number in [
        *numbers[::-2],
        *numbers[-2::-2],
        numbers[0],
    ]:  # one twice, as where a worker that was taken for dead comes back
        predict_span(job, number, model, settings, store)
    done = joined(store, job, model, settings)
    assert done.action == "predict"
    assert (done.account.read, done.account.rejected) == (N, 14)
    assert contents(tmp_path / "spans") == contents(tmp_path / "whole")
    assert not [path for path in (tmp_path / "spans" / ".work").iterdir() if path.is_dir()]


def test_what_is_predicted_of_a_span_is_taken_over_and_what_was_altered_is_made_again(
    store, rows, tmp_path, monkeypatch
):
    path = write(tmp_path / "a.jsonl", rows)
    job, model, settings = planned(store, path, tmp_path / "out")
    end, n_resumed = predict_span(job, 0, model, settings, store)
    assert (n_resumed, sum(end.rows) < end.read) == (0, True)
    with monkeypatch.context() as patched:
        patched.setattr(ServingModel, "predict_chunk", None)
        assert predict_span(job, 0, model, settings, store) == (end, len(end.rows))
    part = min((tmp_path / "out").glob(".work/*/000000-*.part"))
    content = part.read_bytes()
    part.write_bytes(content[:99] + bytes([content[99] ^ 1]) + content[100:])
    assert predict_span(job, 0, model, settings, store) == (end, len(end.rows) - 1)
    assert part.read_bytes() == content
    (rejects,) = (tmp_path / "out").glob(".work/*/000000.rejects.part")
    rejects.write_bytes(b"")
    assert predict_span(job, 0, model, settings, store) == (end, len(end.rows))


def test_a_span_that_is_not_there_or_altered_fails_its_file_and_leaves_nothing(store, rows, tmp_path):
    path = write(tmp_path / "a.parquet", rows)
    job, model, settings = planned(store, path, tmp_path / "out")
    predict_span(job, 0, model, settings, store)
    done = joined(store, job, model, settings)
    assert done.action == "fail"
    assert "was not predicted" in done.reason
    assert not contents(tmp_path / "out")
    assert not [path for path in (tmp_path / "out" / ".work").iterdir() if path.is_dir()]


def test_a_file_that_changes_between_its_spans_fails(store, rows, tmp_path):
    path = write(tmp_path / "a.jsonl", rows)
    job, model, settings = planned(store, path, tmp_path / "out")
    predict_span(job, 0, model, settings, store)
    path.write_text(path.read_text() + "\n")
    with pytest.raises(DataError, match="changed since"):
        predict_span(job, 1, model, settings, store)


def test_what_another_division_would_give_other_bytes_of_is_not_divided(store, rows, tmp_path):
    table = pa.table({**rows, "kind": pa.array(["a", "b"] * (N // 2)).dictionary_encode()})
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=10)
    assert planned(store, tmp_path / "a.parquet", tmp_path / "out")[0].division is None
    assert planned(store, tmp_path / "a.parquet", tmp_path / "out", drop=["kind"])[0].division
