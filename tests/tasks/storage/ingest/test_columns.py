"""Every encoding, from every type in which a reader gives a column."""

from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.seq2seq.errors import DataError
from tasks.seq2seq.settings.dialect import Dialect
from tasks.storage.ingest.columns import to_column
from tasks.storage.ingest.reasons import REASONS


def rows(array, kind, **options):
    """Each row's time steps as the user has them, or why it cannot be used."""
    column = to_column(array, kind, **options)
    assert len(column.steps) == len(column.reasons) == len(array)
    assert column.steps.offsets[0] == 0
    assert column.steps.offsets[-1] == len(column.steps.values)
    write = {
        "characters": lambda steps: "".join(map(chr, steps.tolist())),
        "words": lambda steps: [column.words[i] for i in steps.tolist()],
        "integers": lambda steps: steps.tolist(),
        "vectors": lambda steps: steps.tolist(),
    }[kind]
    return [REASONS[reason] if reason else write(column.steps[i]) for i, reason in enumerate(column.reasons.tolist())]


def dtype(array, kind):
    return to_column(array, kind).steps.values.dtype


@pytest.mark.parametrize("kind", [pa.list_, pa.large_list])
@pytest.mark.parametrize("step", [pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint32()])
def test_integers_are_taken_from_lists_of_every_width(kind, step):
    values = [[1, 2], [], [0]]
    array = pa.array(values, kind(step))
    assert rows(array, "integers") == values
    assert dtype(array, "integers") == np.int64


def test_integers_are_taken_from_lists_of_one_length_and_from_single_numbers():
    assert rows(pa.array([[1, 2], [3, 4]], pa.list_(pa.int16(), 2)), "integers") == [[1, 2], [3, 4]]
    assert rows(pa.array([5, None, -7], pa.int32()), "integers") == [[5], "null", [-7]]


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()])
def test_integers_are_read_from_text_however_they_are_parted(kind):
    texts = ["1 2 3", "1,2,3", "[1, 2, 3]", "1;2;3", " 1\t2\n3 ", "+1 2 3", "", "[]", "-0 007"]
    expected = [*[[1, 2, 3]] * 6, [], [], [0, 7]]
    assert rows(pa.array(texts, kind), "integers") == expected
    assert rows(pa.array(["2", "-3"], kind), "integers") == [[2], [-3]]


@pytest.mark.parametrize("text", ["1 x 3", "1.5", "1e3", "--1", "1-2", "٣", "0x10", "1_000", "1,,2", "1]2", "[1"])
def test_text_that_is_no_integer_is_a_fault_of_its_row_alone(text):
    assert rows(pa.array(["1", text, "3"]), "integers") == [[1], "type", [3]]


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.dictionary(pa.int8(), pa.string())])
def test_integers_of_64_bits_are_read_from_text_and_larger_ones_have_a_reason_of_their_own(kind):
    texts = [
        "1266048805884119571",
        f"{2**63 - 1} {-(2**63)}",
        "0" * 30 + "9",
        str(2**63),
        str(-(2**63) - 1),
        "9" * 5000,
    ]
    expected = [[1266048805884119571], [2**63 - 1, -(2**63)], [9], *["integer_range"] * 3]
    assert rows(pa.array(texts, pa.string()).cast(kind), "integers") == expected


def test_decimals_bools_and_text_in_lists_are_numbers():
    whole = pa.array([Decimal(7), Decimal("1.5"), None, Decimal(2**63), Decimal(-(2**63))], pa.decimal128(38, 1))
    assert rows(whole, "integers") == [[7], "type", "null", "integer_range", [-(2**63)]]
    assert rows(whole.slice(0, 3), "vectors") == [[[7.0]], [[1.5]], "null"]
    assert rows(pa.array([[Decimal("0.1")]], pa.list_(pa.decimal256(60, 1))), "vectors") == [[[0.1]]]
    assert rows(pa.array([[True, False], [None]]), "integers") == [[1, 0], "null_inside"]
    assert rows(pa.array([True, None]), "vectors") == [[[1.0]], "null"]
    assert rows(pa.array([["1", "-2"], ["1 2"], [None], []]), "integers") == [[1, -2], "type", "null_inside", []]
    assert rows(pa.array([["1.5", "inf"], ["2e3"]]), "vectors") == ["not_finite", [[2000.0]]]
    assert rows(pa.array([["x", "y"]]).cast(pa.list_(pa.dictionary(pa.int8(), pa.string()))), "words") == [["x", "y"]]
    assert rows(pa.ListArray.from_arrays([0, 2], pa.array([5, 6]).dictionary_encode()), "integers") == [[5, 6]]


@pytest.mark.parametrize("kind", ["integers", "vectors", "characters", "words"])
def test_a_column_of_nothing_but_nulls_is_rows_of_nulls(kind):
    assert rows(pa.nulls(2), kind) == ["null", "null"]
    assert rows(pa.array([None, None]).dictionary_encode(), kind) == ["null", "null"]
    if kind != "characters":
        assert rows(pa.array([[None], [], None], pa.list_(pa.null())), kind) == ["null_inside", [], "null"]


def test_markers_of_missing_values_are_nulls_of_cells_and_within_lists():
    dialect = Dialect(missing=("?", "NA", "-200"))
    texts = ["1 2", "?", " NA ", "[1, ?, 3]", "-200", "-2000", "x"]
    expected = [[1, 2], "null", "null", "null_inside", "null", [-2000], "type"]
    assert rows(pa.array(texts), "integers", dialect=dialect) == expected
    assert rows(pa.array([5, -200]), "integers", dialect=dialect) == [[5], "null"]
    assert rows(pa.array([[5.0], [-200.0, 1.0]]), "vectors", dialect=dialect) == [[[5.0]], "null_inside"]
    assert rows(pa.array([-200.0, 1.0]), "vectors", dialect=dialect) == ["null", [[1.0]]]
    assert rows(pa.array(["a NA", "NA", "a?"]), "words", dialect=dialect) == [["a", "NA"], "null", ["a?"]]
    assert rows(pa.array(["?", "a"]), "characters", dialect=dialect) == ["null", "a"]


def test_padding_is_taken_off_both_ends_of_lists():
    padded = Dialect(padding_value=0)
    lists = pa.array([[1, 2, 0, 0], [0, 0, 3, 0], [0, 0, 0, 0], [4, 0, 5, 0], None, [], [0, None]])
    expected = [[1, 2], [3], [], [4, 0, 5], "null", [], "null_inside"]
    assert rows(lists.slice(0, 6), "integers", dialect=padded) == expected[:6]
    steps = pa.array([[[1.0, 0.0], [0.0, 0.0]], [[0.0, 0.0], [0.0, 0.0]], [[0.0, 0.0], [2.0, 3.0]]])
    assert rows(steps, "vectors", dialect=padded) == [[[1.0, 0.0]], [], [[2.0, 3.0]]]
    nan = float("nan")
    gaps = pa.array([[1.0, nan, nan], [nan, 1.0, nan], [1.0, nan, 2.0]])
    assert rows(gaps, "vectors", dialect=Dialect(padding_value=nan)) == [[[1.0]], [[1.0]], "not_finite"]


def test_text_that_is_a_json_list_of_strings_is_its_words():
    texts = ['["new york", "a"]', "a  b", '["", "b"]', "[]", '["a", 1]', '["a', '[a, "b"]', '["a", null]', ""]
    expected = [
        ["new york", "a"],
        ["a", "b"],
        ["", "b"],
        [],
        ['["a",', "1]"],
        ['["a'],
        ["[a,", '"b"]'],
        "null_inside",
        [],
    ]
    assert rows(pa.array(texts), "words") == expected


def test_unsigned_integers_beyond_64_bits_with_a_sign_are_faults_of_their_row_alone():
    large = pa.array([[1], [2, 2**63], [None, 2**63 - 1], [2**63 - 1]], pa.list_(pa.uint64()))
    assert rows(large, "integers") == [[1], "integer_range", "null_inside", [2**63 - 1]]
    assert rows(pa.array([2**64 - 1, 3], pa.uint64()), "integers") == ["integer_range", [3]]


def test_nulls_of_integers_are_told_from_nulls_among_them():
    array = pa.array([[1], None, [2, None, None], [], [3]], pa.list_(pa.int64()))
    assert rows(array, "integers") == [[1], "null", "null_inside", [], [3]]
    assert rows(pa.array(["1", None]), "integers") == [[1], "null"]


CHARACTERS = ["abc", "", "zwölf", "漢字", "😀x", "a b\t"]


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.dictionary(pa.int8(), pa.string())])
def test_characters_are_the_code_points_of_text(kind):
    array = pa.array([*CHARACTERS, None], kind)
    assert rows(array, "characters") == [*CHARACTERS, "null"]
    assert dtype(array, "characters") == np.int32


def test_text_is_brought_to_normal_form_so_that_equal_letters_are_one_symbol():
    """`ö` as one code point, and as `o` with a diaeresis."""
    array = pa.array(["zwo\u0308lf", "zw\u00f6lf", "e\u0301 e\u0301"])
    assert rows(array, "characters")[0] == rows(array, "characters")[1] == "zw\u00f6lf"
    column = to_column(array, "words")
    assert column.words == ["zw\u00f6lf", "\u00e9"]


def test_text_is_lower_cased_where_that_is_asked_for():
    array = pa.array(["Ab ÄÖ", "STRASSE Ab"])
    assert rows(array, "characters", lowercase=True) == ["ab äö", "strasse ab"]
    assert rows(array, "words", lowercase=True) == [["ab", "äö"], ["strasse", "ab"]]
    assert rows(array, "words") == [["Ab", "ÄÖ"], ["STRASSE", "Ab"]]
    assert rows(pa.array([["Ab", "c D"]]), "words", lowercase=True) == [["ab", "c d"]]


def broken(*values, kind):
    """Text some of which is not UTF-8, as a damaged file would give it."""
    raw = pa.array(values, pa.large_binary() if pa.types.is_large_string(kind) else pa.binary())
    return pa.Array.from_buffers(kind, len(raw), raw.buffers())


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()])
@pytest.mark.parametrize("encoding", ["characters", "words"])
def test_text_that_is_no_utf8_is_a_fault_of_its_row_alone(kind, encoding):
    array = broken(b"good", b"b\xff\xfed", "zwölf".encode(), kind=kind)
    found = rows(array, encoding)
    assert found[1] == "utf8"
    assert "".join(found[0]) + "".join(found[2]) == "goodzwölf"


def test_text_that_is_no_utf8_among_words_is_a_fault_of_its_row_alone():
    words = broken(b"a", b"\xff", b"c", kind=pa.string())
    array = pa.ListArray.from_arrays(pa.array([0, 1, 2, 3], pa.int32()), words)
    assert rows(array, "words") == [["a"], "utf8", ["c"]]


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())])
def test_words_are_split_at_any_white_space(kind):
    array = pa.array(["one two", " one\t\ttwo\n", "", "  ", None, "zwölf\u00a0x", "one\u3000two"], kind)
    assert rows(array, "words") == [
        ["one", "two"], ["one", "two"], [], [], "null", ["zwölf", "x"], ["one", "two"]
    ]  # fmt: skip


@pytest.mark.parametrize(
    "kind",
    [
        pa.list_(pa.string()),
        pa.large_list(pa.large_string()),
        pa.list_(pa.dictionary(pa.int8(), pa.string())),
        pa.list_(pa.string(), 2),
    ],
)
def test_words_of_a_list_are_taken_as_they_are(kind):
    """White space inside a word stays."""
    array = pa.array([["a b", "c"], ["", "c"]], kind)
    assert rows(array, "words") == [["a b", "c"], ["", "c"]]
    if not pa.types.is_fixed_size_list(kind):
        array = pa.array([["a"], None, [None, "b"], []], kind)
        assert rows(array, "words") == [["a"], "null", "null_inside", []]


def test_words_are_held_once_a_block():
    assert to_column(pa.array(["a b a", "b a"]), "words").words == ["a", "b"]


@pytest.mark.parametrize("kind", [pa.list_, pa.large_list])
@pytest.mark.parametrize("step", [pa.float32(), pa.float64(), pa.int64()])
def test_vectors_of_one_feature_are_taken_from_lists_of_numbers(kind, step):
    array = pa.array([[1, -2], [], [3]], kind(step))
    assert rows(array, "vectors") == [[[1.0], [-2.0]], [], [[3.0]]]
    assert to_column(array, "vectors").steps.values.dtype == np.float64


def test_vectors_are_taken_from_single_numbers_and_from_text():
    assert rows(pa.array([1.5, None, 2.0]), "vectors") == [[[1.5]], "null", [[2.0]]]
    assert rows(pa.array([7, 2**53 + 1]), "vectors") == [[[7.0]], [[2.0**53]]]
    texts = ["1.5 -2", "[1.5, -2.]", "+1.5;-2e0", "", ".5", "1E-2"]
    assert rows(pa.array(texts), "vectors") == [*[[[1.5], [-2.0]]] * 3, [], [[0.5]], [[0.01]]]


@pytest.mark.parametrize(
    "kind",
    [
        pa.list_(pa.list_(pa.float64())),
        pa.large_list(pa.large_list(pa.float32())),
        pa.list_(pa.list_(pa.float64(), 2)),
        pa.list_(pa.list_(pa.int16(), 2)),
    ],
)
def test_vectors_of_several_features_are_taken_from_lists_of_lists(kind):
    values = [[[1.0, 2.0], [3.0, 4.0]], [], [[5.0, 6.0]]]
    assert rows(pa.array(values, kind), "vectors") == values


def test_vectors_take_the_commonest_number_of_features_or_the_given_one():
    array = pa.array([[[1.0]], [[1.0, 2.0]], [[3.0, 4.0], [5.0, 6.0]], [[7.0, 8.0], [9.0]], []])
    right = [[3.0, 4.0], [5.0, 6.0]]
    assert rows(array, "vectors") == ["features", [[1.0, 2.0]], right, "features", []]
    assert rows(array, "vectors", features=1) == [[[1.0]], *["features"] * 3, []]
    assert rows(array, "vectors", features=3) == [*["features"] * 4, []]


def test_single_numbers_are_refused_where_other_rows_have_several_features():
    assert rows(pa.array(["1 2", ""]), "vectors", features=2) == ["features", []]
    assert rows(pa.array([[1.0], []]), "vectors", features=2) == ["features", []]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_numbers_that_are_not_finite_are_faults_of_their_row_alone(value):
    assert rows(pa.array([[1.0], [2.0, value], [3.0]]), "vectors") == [[[1.0]], "not_finite", [[3.0]]]
    assert rows(pa.array([1.0, value]), "vectors") == [[[1.0]], "not_finite"]
    assert rows(pa.array([f"1 {value}", "2"]), "vectors") == ["not_finite", [[2.0]]]
    nested = pa.array([[[1.0, 2.0]], [[1.0, 2.0], [value, 4.0]], [[5.0, 6.0]]])
    assert rows(nested, "vectors") == [[[1.0, 2.0]], "not_finite", [[5.0, 6.0]]]


def test_numbers_too_large_for_a_float_are_not_finite():
    assert rows(pa.array(["1e400", "1"]), "vectors") == ["not_finite", [[1.0]]]


def test_nulls_of_vectors_are_told_from_nulls_among_them():
    assert rows(pa.array([[1.0], None, [None, 2.0], []]), "vectors") == [[[1.0]], "null", "null_inside", []]
    nested = pa.array([[[1.0, 2.0]], None, [None, [1.0, 2.0]], [[1.0, None]], [], [[3.0, 4.0]]])
    assert rows(nested, "vectors") == [[[1.0, 2.0]], "null", "null_inside", "null_inside", [], [[3.0, 4.0]]]
    fixed = pa.array([[[1.0, 2.0]], [None, [1.0, 2.0]], None], pa.list_(pa.list_(pa.float64(), 2)))
    assert rows(fixed, "vectors") == [[[1.0, 2.0]], "null_inside", "null"]


@pytest.mark.parametrize("text", ["1 x", "1..5", "nanx", "1,5.2.1", "1e", "e5", "-"])
def test_text_that_is_no_number_is_a_fault_of_its_row_alone(text):
    assert rows(pa.array(["1", text, "3"]), "vectors") == [[[1.0]], "type", [[3.0]]]


def test_a_row_keeps_the_first_of_its_faults():
    assert rows(pa.array([[float("nan"), None], [None, float("nan")]]), "vectors") == ["not_finite", "null_inside"]
    assert rows(pa.array(["x nan", "nan 1"]), "vectors") == ["type", "not_finite"]
    assert rows(pa.array([[[1.0, 2.0]], [[float("nan")]]]), "vectors", features=2) == [[[1.0, 2.0]], "features"]


@pytest.mark.parametrize(
    ("array", "kind"),
    [
        (pa.array([1, 2]), "characters"),
        (pa.array([[1, 2]]), "words"),
        (pa.array([[[1]]]), "integers"),
        (pa.array([{"a": 1}]), "vectors"),
        (pa.array([[1.5]]), "integers"),
    ],
)
def test_a_type_that_has_no_such_encoding_is_refused(array, kind):
    with pytest.raises(DataError):
        to_column(array, kind)


EXAMPLES = {
    "integers": pa.array([[9], [1, -2, 3], None, [], [4, None], [5]], pa.list_(pa.int64())),
    "characters": pa.array(["x", "zwo\u0308lf", None, "", "é漢", "y"]),
    "words": pa.array(["x y", "a  b", None, "", "b zwo\u0308lf", "c"]),
    "vectors": pa.array([[[9.0, 9.0]], [[1.0, 2.0]], None, [], [[3.0, 4.0], [5.0]], [[6.0, 7.0]]]),
}


@pytest.mark.parametrize("kind", EXAMPLES)
@pytest.mark.parametrize("as_text", [False, True])
def test_a_slice_gives_its_own_rows(kind, as_text):
    array = EXAMPLES[kind]
    if as_text and kind in ("integers", "vectors"):
        array = pa.array(["9", "1 -2", None, "", "x", "5 6"])
    whole = rows(array, kind)
    for first in range(7):
        for last in range(first, 7):
            assert rows(array[first:last], kind, **({"features": 2} if kind == "vectors" and not as_text else {})) == whole[first:last]  # fmt: skip


@pytest.mark.parametrize("kind", EXAMPLES)
def test_a_column_in_chunks_gives_the_same_as_in_one(kind):
    array = EXAMPLES[kind]
    chunks = pa.chunked_array([array[:1], array[1:1], array[1:5], array[5:]])
    assert rows(chunks, kind) == rows(array, kind)
    assert rows(chunks.slice(1, 4), kind) == rows(array[1:5], kind)


@pytest.mark.parametrize("kind", EXAMPLES)
@pytest.mark.parametrize("last", [2, 6], ids=["without nulls", "with nulls"])
def test_reasons_are_the_columns_own_and_can_be_added_to(kind, last):
    column = to_column(EXAMPLES[kind][:last], kind)
    column.reasons[0] = REASONS.index("length")
    assert column.reasons.dtype == np.int8
    assert to_column(EXAMPLES[kind][:last], kind).reasons[0] == 0


@pytest.mark.parametrize(
    ("number", "kind"),
    [(pa.int32(), "integers"), (pa.uint64(), "integers"), (pa.int32(), "vectors"), (pa.float32(), "vectors")],
)
def test_a_null_among_single_numbers_is_a_fault_of_its_row_alone(number, kind):
    for values in ([3, 4], [3, None, 4], [None, None]):
        expected = ["null" if value is None else [value] if kind == "integers" else [[value]] for value in values]
        assert rows(pa.array(values, number), kind) == expected


@pytest.mark.parametrize("kind", EXAMPLES)
def test_a_column_without_rows_has_none(kind):
    assert rows(EXAMPLES[kind][:0], kind) == []
    assert rows(pa.chunked_array([], EXAMPLES[kind].type), kind) == []


@pytest.mark.parametrize("kind", ["integers", "vectors"])
def test_a_hidden_value_below_a_null_is_no_step(kind):
    """Arrow may keep values where a row is null."""
    array = pa.ListArray.from_arrays(
        pa.array([0, 2, 4, 5], pa.int32()), pa.array([1, 2, 3, 4, 5]), mask=pa.array([False, True, False])
    )
    expected = {"integers": [[1, 2], "null", [5]], "vectors": [[[1.0], [2.0]], "null", [[5.0]]]}
    assert rows(array, kind) == expected[kind]


@given(st.lists(st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=5), max_size=8))
def test_any_text_gives_its_normal_form_back(texts):
    import unicodedata

    found = rows(pa.array(texts, pa.string()), "characters")
    assert found == ["null" if text is None else unicodedata.normalize("NFC", text) for text in texts]
