"""The rules for rows, and that training and prediction hold to the same ones."""

from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.seq2seq.settings.batch import check_batch_settings
from tasks.seq2seq.settings.data import FilesData
from tasks.seq2seq.settings.rules import check_experiment
from tasks.storage.artifacts.dataset import read_codecs
from tasks.storage.files.json_files import load_json
from tasks.storage.ingest.pairs import ingest_pairs
from tasks.storage.ingest.reasons import EMPTY, FINE, LENGTH, NULL, REASONS, TOO_LONG, first_faults, mark
from tasks.storage.ingest.row_encoding import Reading
from tasks.storage.ingest.row_rules import RowRules, commonest_length, read_time_steps, read_weights

INTEGERS = pa.list_(pa.int64())


def said(reasons):
    return [REASONS[reason] for reason in reasons]


def rules(encoding="integers", **others):
    return RowRules(encoding, **{"lowercase": False, "keep_empty": False, "max_length": 3, **others})


def test_a_row_keeps_the_first_reason_that_it_was_given():
    reasons = np.array([FINE, NULL, FINE], np.int8)
    mark(reasons, np.array([True, True, False]), EMPTY)
    assert reasons.tolist() == [EMPTY, NULL, FINE]


def test_of_several_columns_the_first_with_a_fault_is_blamed():
    columns = [np.array(column, np.int8) for column in ([FINE, FINE, NULL], [FINE, EMPTY, LENGTH])]
    reasons, blamed = first_faults(columns)
    assert reasons.tolist() == [FINE, EMPTY, NULL]
    assert blamed[1:].tolist() == [1, 0]


def test_empty_and_long_sequences_and_those_of_another_length_are_told_apart():
    rows = pa.array([[1], [], [1, 2], [1, 2, 3, 4], None], INTEGERS)
    assert said(rules().apply(rows).reasons) == ["", "empty", "", "too_long", "null"]
    assert said(rules(keep_empty=True).apply(rows).reasons) == ["", "", "", "too_long", "null"]
    assert said(rules(length=2).apply(rows).reasons) == ["length", "empty", "", "too_long", "null"]


def test_vectors_must_have_as_many_features_as_training_had():
    rows = pa.array([[[1.0, 2.0]], [[1.0]], [[3.0]]])
    assert said(rules("vectors").apply(rows).reasons) == ["features", "", ""]
    assert said(rules("vectors", features=2).apply(rows).reasons) == ["", "features", "features"]


def test_text_is_lower_cased_where_training_did():
    column = rules("characters", lowercase=True).apply(pa.array(["aB"]))
    assert column.steps.values.tolist() == [ord("a"), ord("b")]


def test_the_commonest_length_is_that_of_usable_rows():
    assert commonest_length(rules().apply(pa.array([[1], [1, 2], [1, 2], *[[0] * 9] * 3], INTEGERS))) == 2
    assert commonest_length(rules().apply(pa.array([[], None], INTEGERS))) is None


def test_a_weight_is_one_finite_number_that_is_not_negative():
    weights, reasons = read_weights(pa.chunked_array([["1.5", "", "1 2", "nan", "-1", "1e300"]]))
    assert said(reasons) == ["", "null", "type", "not_finite", "negative", "not_finite"]
    assert weights.tolist() == [1.5, 0, 0, 0, 0, 0]


def test_a_time_step_of_a_series_is_one_value_a_row():
    values, reasons = read_time_steps(pa.chunked_array([["7", "", "1 2", "x"]]), "integers")
    assert said(reasons) == ["", "empty", "length", "type"]
    assert values.tolist() == [7, 0, 0, 0]
    assert values.dtype == np.int64


ROWS = {
    "integers": (pa.array([[i % 5] * (i % 4 + 1) for i in range(60)] + [[], None, [0] * 9, [1, None]], INTEGERS), 6),
    "characters": (pa.array([f"{i:b}" for i in range(60)] + ["", None, "a" * 9]), 6),
    "words": (pa.array([" ".join(f"{i:b}") for i in range(60)] + [" ", None, "a " * 9]), 6),
    "vectors": (pa.array([[[i, 1.0]] for i in range(60)] + [[], None, [[1.0]], [[1.0, float("inf")]]]), 1),
}


@pytest.mark.parametrize("encoding", ROWS)
@pytest.mark.parametrize("keep", ["reject", "keep"])
def test_training_and_prediction_reject_the_same_rows_for_the_same_reasons(tmp_path, encoding, keep):
    rows, max_length = ROWS[encoding]
    pq.write_table(
        pa.table({"source": rows, "target": pa.array([[i % 3] for i in range(len(rows))])}), tmp_path / "a.parquet"
    )
    empty = {} if encoding == "vectors" else {"empty_source": keep}
    data = {"train": tmp_path / "a.parquet", "source_encoding": encoding, "max_source_length": max_length, **empty}
    experiment = check_experiment({"data": {**data, "max_reject_rate": 0.5}})
    (tmp_path / "dataset").mkdir()
    assert isinstance(experiment.data, FilesData)
    facts = ingest_pairs(experiment.data, 0, tmp_path / "dataset")
    settings = check_batch_settings({"inputs": ["a.parquet"], "output": "out"})
    lengths = (facts.source.length, facts.target.length)
    _, reasons = Reading.of(experiment, read_codecs(tmp_path / "dataset"), lengths, settings).source.encode(rows)
    found = Counter(f"source_{reason}" for reason in said(reasons) if reason)
    assert dict(found) == load_json(tmp_path / "dataset" / "account.json")["reasons"]
    assert found["source_empty"] == (encoding == "vectors" or keep == "reject")
    assert TOO_LONG in reasons or encoding == "vectors"
