"""What a model predicts is kept in the values that the user has in the files."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.seq2seq.arrays.sequences import Pairs, Sequences
from tasks.seq2seq.data.codecs import Codecs
from tasks.seq2seq.data.scaling import Scaling
from tasks.seq2seq.data.vocabulary import Vocabulary
from tasks.seq2seq.inference.evaluation import Evaluated
from tasks.storage.artifacts.dataset import PairBlock
from tasks.storage.outputs.predictions import UNKNOWN, PredictionWriter, symbol_column, to_values, value_type

INTEGERS = Vocabulary.learn("integers", {-(2**62): 1, 0: 1, 7: 1}, "")
CHARACTERS = Vocabulary.learn("characters", {"a": 1, "ß": 1, "漢": 1, "😀": 1}, "")
WORDS = Vocabulary.learn("words", {"one": 1, "zwölf": 1}, "")
VECTORS = Scaling((5.0, 0.0), (2.0, 1.0), (0.0, 0.0), (1.0, 1.0))


def ids(vocabulary, *rows):
    """Rows of symbols; None is the unknown one."""
    numbers = {symbol: vocabulary.reserved + i for i, symbol in enumerate(vocabulary.symbols)}
    values = [numbers.get(symbol, vocabulary.unknown) for row in rows for symbol in row]
    return Sequences.of_lengths(np.array(values, np.int32), np.array([len(row) for row in rows]))


@pytest.mark.parametrize(
    ("codec", "rows", "expected", "kind"),
    [
        (INTEGERS, [[7, 0], [], [-(2**62)]], [[7, 0], [], [-(2**62)]], pa.list_(pa.int64())),
        (CHARACTERS, ["aß😀", "", "漢"], ["aß😀", "", "漢"], pa.string()),
        (WORDS, [["zwölf", "one"], [], ["one"]], [["zwölf", "one"], [], ["one"]], pa.list_(pa.string())),
    ],
    ids=["integers", "characters", "words"],
)
def test_tokens_come_back_as_the_user_has_them(codec, rows, expected, kind):
    column = to_values(ids(codec, *rows), codec)
    assert column.to_pylist() == expected
    assert column.type == value_type(codec) == kind
    column.validate(full=True)


def test_the_ids_of_a_synthetic_problem_come_back_as_its_symbols_and_the_reserved_one_as_null():
    codec = Vocabulary.identity(5)
    column = to_values(Sequences.of_rows(np.array([[1, 5], [0, 3]], np.int32)), codec)
    assert column.to_pylist() == [[1, 5], [None, 3]]


@pytest.mark.parametrize(
    ("codec", "rows", "expected"),
    [
        (INTEGERS, [[7, None], [None]], [[7, None], [None]]),
        (WORDS, [["one", None]], [["one", None]]),
        (CHARACTERS, ["a", [None, "ß"]], ["a", UNKNOWN + "ß"]),
    ],
    ids=["integers", "words", "characters"],
)
def test_a_symbol_that_training_has_not_seen_has_no_value(codec, rows, expected):
    assert to_values(ids(codec, *rows), codec).to_pylist() == expected


@pytest.mark.parametrize("codec", [INTEGERS, WORDS, Vocabulary.identity(5)], ids=["integers", "words", "synthetic"])
def test_symbols_at_hand_are_those_of_the_codec_and_change_no_value(codec):
    symbols = symbol_column(codec)
    assert symbols is not None
    assert symbols.to_pylist() == list(codec.symbols)
    sequences = Sequences.of_rows(np.arange(codec.size, dtype=np.int32)[None])
    assert to_values(sequences, codec, symbols).equals(to_values(sequences, codec))


@pytest.mark.parametrize("codec", [CHARACTERS, VECTORS], ids=["characters", "vectors"])
def test_characters_and_vectors_need_no_symbols_at_hand(codec):
    assert symbol_column(codec) is None


@pytest.mark.parametrize("special", [0, 1])
def test_padding_and_start_which_a_model_may_predict_have_no_value_either(special):
    predicted = Sequences.of_rows(np.array([[special, 4]], np.int32))
    assert to_values(predicted, CHARACTERS).to_pylist() == [UNKNOWN + "a"]
    assert to_values(predicted, WORDS).to_pylist() == [[None, "one"]]
    assert to_values(predicted, INTEGERS).to_pylist() == [[None, -(2**62)]]


def test_vectors_are_taken_as_they_are():
    values = np.array([[[1.5, -2.0], [0.1, 1e300]]])
    column = to_values(Sequences.of_rows(values), VECTORS)
    assert column.to_pylist() == values.tolist()
    assert column.type == value_type(VECTORS)


@pytest.mark.parametrize("codec", [INTEGERS, CHARACTERS, WORDS], ids=lambda codec: codec.kind)
def test_a_part_of_sequences_gives_its_own_values(codec):
    rows = [list(codec.symbols[:1]), [], list(codec.symbols[:2])]
    sequences = ids(codec, *rows)
    whole = to_values(sequences, codec).to_pylist()
    assert to_values(sequences.part(1, 3), codec).to_pylist() == whole[1:]
    assert to_values(sequences.part(2, 2), codec).to_pylist() == []


def evaluated(reference, prediction, **more):
    none = dict.fromkeys(("log_probability", "correct", "n_unknown", "outside_range"))
    return Evaluated(reference, prediction, **{**none, **more})


def test_rows_are_written_with_where_they_came_from_and_what_is_known_of_them(tmp_path):
    path = tmp_path / "predictions.parquet"
    source, target = ids(WORDS, ["one", None], ["zwölf"]), ids(CHARACTERS, "aß", "漢")
    with PredictionWriter(path, Codecs(WORDS, CHARACTERS)) as writer:
        for first in (0, 1):
            pairs = Pairs(source, target).part(first, first + 1)
            block = PairBlock(pairs, {"file": pa.array(["a.csv"]), "row": pa.array([first + 7])})
            writer.write(
                block,
                evaluated(
                    pairs.target, ids(CHARACTERS, "a"), log_probability=np.array([-0.5], np.float32),
                    correct=np.array([False]), n_unknown=np.array([1 - first]),
                ),
            )  # fmt: skip
        assert writer.rows == 2
    common = {"file": "a.csv", "prediction": "a", "log_probability": -0.5, "correct": False}
    assert pq.read_table(path).to_pylist() == [
        {**common, "row": 7, "source": ["one", None], "target": "aß", "n_unknown": 1},
        {**common, "row": 8, "source": ["zwölf"], "target": "漢", "n_unknown": 0},
    ]


def test_what_is_not_known_of_vectors_has_no_column(tmp_path):
    path = tmp_path / "predictions.parquet"
    vectors = Sequences.of_rows(np.array([[[1.0, 2.0]]]))
    with PredictionWriter(path, Codecs(VECTORS, VECTORS)) as writer:
        writer.write(PairBlock(Pairs(vectors, vectors)), evaluated(vectors, vectors, outside_range=np.array([True])))
    assert pq.read_table(path).to_pylist() == [
        {"source": [[1.0, 2.0]], "target": [[1.0, 2.0]], "prediction": [[1.0, 2.0]], "outside_range": True}
    ]
