"""Files whose targets cannot be used: predicted, and not scored; nothing that tells of them takes that for a result."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.seq2seq.metrics.accumulators import TokenCounts
from tests.helpers.batch_models import batch_models
from tests.helpers.batch_runs import account_of, column, predict, report, settings_of, write_report

INTEGERS = pa.list_(pa.int64())
SOURCES = [[1, 2], [3, 4, 5], [6]]
TARGETS = {
    "nulls": pa.nulls(3, INTEGERS),
    "text": pa.array(["x", "y", "z"]),
    "unknown lists": pa.array([[None]] * 3, INTEGERS),
}


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return batch_models(tmp_path_factory).need("integers")


@pytest.mark.parametrize("kind", TARGETS)
def test_a_file_without_a_target_that_can_be_used_is_predicted_and_every_score_of_it_is_null(store, tmp_path, kind):
    pq.write_table(pa.table({"source": SOURCES, "target": TARGETS[kind]}), tmp_path / "a.parquet")
    where = {"output": tmp_path / "out", "model": "integers", "checks": {"sample_rows": 100}}
    jobs = predict(store, tmp_path / "a.parquet", **where)
    account = account_of(tmp_path / "out", "a.parquet")
    assert (account["predicted"], account["rejected"]) == (3, 0)
    assert account["tally"]["scored"] == TokenCounts().to_json()
    assert column(tmp_path / "out" / "a.parquet.parquet", "correct") == [None] * 3
    scored = report(store, jobs, tmp_path / "a.parquet", **where)["scored"]
    assert scored["n_evaluated"] == 0
    assert scored["sequence_accuracy"] is scored["sequence_accuracy_interval"] is None
    written = write_report(store, jobs, tmp_path / "a.parquet", **where)
    assert json.loads((tmp_path / "out" / "_run.json").read_text())["scored"] == scored == written["scored"]
    assert "nothing to score" in (tmp_path / "out" / "_report.html").read_text()


def test_such_a_file_beside_one_with_targets_changes_no_score(store, tmp_path):
    (tmp_path / "in").mkdir()
    pq.write_table(pa.table({"source": SOURCES, "target": [[2, 1], [5], [6]]}), tmp_path / "in" / "a.parquet")
    where = {"output": tmp_path / "out", "model": "integers"}
    alone = report(store, predict(store, tmp_path / "in", **where), tmp_path / "in", **where)["scored"]
    pq.write_table(pa.table({"source": SOURCES, "target": TARGETS["text"]}), tmp_path / "in" / "b.parquet")
    jobs = predict(store, tmp_path / "in", **where)
    assert {job.action for job in jobs.values()} == {"predict", "keep"}
    assert report(store, jobs, tmp_path / "in", **where)["scored"] == alone
    assert alone["n_evaluated"] == 3


def test_the_checks_of_such_rows_compare_targets_that_are_there(store, tmp_path):
    """A null is no second target of a source."""
    from tasks.check import check_rows
    from tasks.predict_batch import plan_batch

    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"source": [[1, 2]] * 3, "target": pa.array([[2, 1], None, [None]], INTEGERS)}), path)
    settings = settings_of(path, output=tmp_path / "out", model="integers")
    found = check_rows.fn(plan_batch.fn(settings, store), settings, store).findings
    assert [one["level"] for one in found if one["rule"] == "conflicts"] == ["fine"]
