"""How files are read for a model: its columns and encodings, unless the user says otherwise."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.seq2seq.data.codecs import Codecs
from tasks.seq2seq.data.scaling import Scaling
from tasks.seq2seq.data.vocabulary import Vocabulary
from tasks.seq2seq.errors import SettingsError
from tasks.seq2seq.settings.batch import check_batch_settings
from tasks.seq2seq.settings.rules import check_experiment
from tasks.storage.ingest.reasons import REASONS
from tasks.storage.ingest.row_encoding import Reading
from tasks.storage.readers.inputs import list_inputs

DIGITS = Vocabulary("integers", (-1, 0, 1, 5))
LETTERS = Vocabulary("characters", ("a", "b", "é"))
WORDS = Vocabulary("words", ("One", "two"))
REALS = Scaling((0.0,), (1.0,), (0.0,), (1.0,))


def reading_of(source=DIGITS, target=DIGITS, data=None, lengths=(4, 4), said=None):
    """How a model of such codecs, trained with such data settings, reads where the user said this."""
    kinds = {side: getattr(codec, "kind", "vectors") for side, codec in (("source", source), ("target", target))}
    data = {"train": "x.csv", **{f"{side}_encoding": kind for side, kind in kinds.items()}, **(data or {})}
    experiment = check_experiment({"data": data})
    settings = check_batch_settings({"inputs": ["a.csv"], "output": "out", **(said or {})})
    return Reading.of(experiment, Codecs(source, target), lengths, settings)


def encoded(side, values, kind=None):
    """Each row's ids, or the reason why it cannot be used."""
    steps, reasons = side.encode(pa.array(values, kind))
    rows = [steps[i].tolist() for i in range(len(steps))]
    return [row if reason == 0 else REASONS[reason] for row, reason in zip(rows, reasons, strict=True)]


def file_of(path, content=b"x\n"):
    if not path.exists():
        path.write_bytes(content)
    (file,) = list_inputs(path)
    return file


INTEGERS = pa.list_(pa.int64())


def test_rows_are_ids_or_a_reason():
    side = reading_of(data={"max_source_length": 3}).source
    values = [[-1, 5], [7, 0], None, [1, None], [], [0, 0, 0, 0], [1]]
    assert encoded(side, values, INTEGERS) == [[4, 7], [3, 5], "null", "null_inside", "empty", "too_long", [6]]


def test_numbers_of_a_text_column_are_read_as_in_training():
    side = reading_of().source
    assert encoded(side, ["1 5", "[0, -1]", "x", "", "1.5", "1;1"]) == [[6, 7], [5, 4], "type", "empty", "type", [6, 6]]


def test_empty_sequences_pass_where_training_let_them():
    assert encoded(reading_of(data={"empty_source": "keep"}).source, [[], [1]], INTEGERS) == [[], [6]]
    assert encoded(reading_of(data={"empty_target": "keep"}).target, [[], [1]], INTEGERS) == [[], [6]]


def test_characters_are_normalised_and_lower_cased_as_in_training():
    decomposed = "e\N{COMBINING ACUTE ACCENT}"
    assert encoded(reading_of(LETTERS).source, [f"a{decomposed}", "A"]) == [[4, 6], [3]]
    assert encoded(reading_of(LETTERS, data={"source_lowercase": True}).source, ["Ab"]) == [[4, 5]]


def test_words_come_as_text_or_as_lists():
    side = reading_of(WORDS).source
    assert encoded(side, ["One two", "  two ", "three", "", None]) == [[4, 5], [5], [3], "empty", "null"]
    assert encoded(side, [["One", "x"], [], ["two"]]) == [[4, 3], "empty", [5]]


def test_a_synthetic_models_rows_have_its_length_and_its_symbols():
    closed = Vocabulary.identity(3)
    experiment = check_experiment({"data": {"n_in": 2, "n_out": 2, "cardinality": 3}, "evaluation": {"n_samples": 4}})
    settings = check_batch_settings({"inputs": ["a.csv"], "output": "out"})
    reading = Reading.of(experiment, Codecs(closed, closed), (2, 2), settings)
    values = [[1, 3], [1, 2, 3], [1], [1, 4], [0, 1], [-1, 1], []]
    expected = [[1, 3], "length", "length", "unknown", "unknown", "unknown", "empty"]
    assert encoded(reading.source, values, INTEGERS) == expected
    assert encoded(reading.target, [[2, 1], [2]], INTEGERS) == [[2, 1], "length"]


def test_vectors_have_as_many_features_as_in_training():
    side = reading_of(REALS, data={"max_source_length": 3}).source
    values = [[1.0, 2.0], None, [float("nan")], [float("inf"), 1.0], [1.0] * 4]
    assert encoded(side, values) == [[[1.0], [2.0]], "null", "not_finite", "not_finite", "too_long"]
    two = Scaling((0.0, 0.0), (1.0, 1.0), (0.0, 0.0), (1.0, 1.0))
    assert encoded(reading_of(two).source, [[[1.0, 2.0]], [[1.0]]]) == [[[1.0, 2.0]], "features"]


def test_a_target_of_vectors_has_the_horizon_of_training():
    assert encoded(reading_of(REALS, REALS, lengths=(4, 2)).target, [[1.0, 2.0], [1.0]]) == [[[1.0], [2.0]], "length"]


def test_columns_are_those_of_training_or_those_that_are_said(tmp_path):
    file = file_of(tmp_path / "a.csv", b"ask,answer,source,target\n1,2,3,4\n")
    assert reading_of().layout(file).columns == ("source", "target")
    assert reading_of(data={"source": "ask"}).layout(file).columns == ("ask", "target")
    assert reading_of(data={"source": "ask"}, said={"source": "source", "target": "answer"}).layout(file).columns == (
        "source",
        "answer",
    )


def test_the_weights_of_training_need_not_be_there(tmp_path):
    """Nor do they stand in the way of columns that are said, or of files without a header."""
    file = file_of(tmp_path / "a.csv", b"w,target\n1,2\n")
    layout = reading_of(data={"weight": "w"}, said={"source": "w"}).layout(file)
    assert layout.columns == ("w", "target")
    assert reading_of(data={"weight": "w"}, said={"header": False, "source": 0, "target": 1}).layout(file).columns == (
        0,
        1,
    )


def test_a_target_that_is_not_there_is_not_read(tmp_path):
    for name, content in {
        "a.csv": b"id,source\n1,2\n",
        "a.tsv": b"id\tsource\n1\t2\n",
        "a.jsonl": b'{"source": [1]}\n',
    }.items():
        layout = reading_of().layout(file_of(tmp_path / name, content))
        assert (layout.columns, layout.kinds, layout.sides) == (("source",), ("integers",), ("source",))
    pq.write_table(pa.table({"source": [[1]]}), tmp_path / "a.parquet")
    np.savez(tmp_path / "a.npz", source=np.array([[1]]))
    for name in ("a.parquet", "a.npz"):
        assert reading_of().layout(file_of(tmp_path / name)).columns == ("source",)


def test_files_without_a_header_have_columns_by_position(tmp_path):
    reading = reading_of(data={"header": False})
    assert reading.layout(file_of(tmp_path / "a.tsv", b"1\t2\n")).columns == (0, 1)
    assert reading.layout(file_of(tmp_path / "b.tsv", b"1\n2\n")).columns == (0,)
    assert reading_of(said={"header": False, "source": "2"}).layout(
        file_of(tmp_path / "c.csv", b"1,2,3\n")
    ).columns == (2, 1)


def test_delimiter_and_quote_are_those_of_training_or_those_that_are_said(tmp_path):
    file = file_of(tmp_path / "a.csv", b"source;target\n1;2\n")
    assert reading_of(data={"delimiter": ";", "quote": "'"}).layout(file).dialect.delimiter == ";"
    dialect = reading_of(data={"delimiter": "|"}, said={"delimiter": ";", "quote": ""}).layout(file).dialect
    assert (dialect.delimiter, dialect.quote) == (";", "")


SERIES = {"source": "level", "history": 3, "horizon": 2}


def test_a_series_needs_its_target_only_where_it_is_scored_or_added_to(tmp_path):
    data = {**SERIES, "target": "price"}
    both = file_of(tmp_path / "a.csv", b"level,price\n1,2\n")
    alone = file_of(tmp_path / "b.csv", b"level\n1\n")
    assert reading_of(REALS, REALS, data).layout(both).columns == ("level",)
    assert reading_of(REALS, REALS, data, said={"origins": "all"}).layout(both).columns == ("level", "price")
    assert reading_of(REALS, REALS, data, said={"origins": "all"}).layout(alone).columns == ("level",)
    relative = reading_of(REALS, REALS, {**data, "relative_to_last": True})
    assert relative.layout(alone).columns == ("level", "price")


@pytest.mark.parametrize(
    "change",
    [
        {"source": "other"}, {"target": "other"}, {"header": False, "source": 0, "target": 1}, {"delimiter": ";"},
        {"quote": "'"},
    ],
    ids=str,
)  # fmt: skip
def test_what_is_read_otherwise_is_described_otherwise(change):
    assert reading_of(said=change).describe() != reading_of().describe()
    json.dumps(reading_of(said=change).describe())


def test_origins_matter_for_a_series_alone():
    assert reading_of(said={"origins": "all"}).describe() == reading_of().describe()
    of_series = [reading_of(REALS, REALS, SERIES, said={"origins": origins}).describe() for origins in ("last", "all")]
    assert of_series[0] != of_series[1]


def test_one_column_for_both_sides_is_refused():
    with pytest.raises(SettingsError, match="two different columns"):
        reading_of(said={"source": "target"})
