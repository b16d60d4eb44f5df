"""The grammar of text that means numbers: what is a list, what is none, and what is said of that."""

import numpy as np
import pyarrow as pa
import pytest

from tasks.seq2seq.settings.dialect import Dialect
from tasks.storage.ingest.columns import to_column
from tasks.storage.ingest.reasons import REASONS


def read(cells, kind="vectors", **dialect):
    """Each cell's steps, a step of one number as that number; or the reason why it has none."""
    column = to_column(pa.array(cells, pa.large_string()), kind, dialect=Dialect(**dialect))
    steps = column.steps.values.tolist()
    plain = [step[0] if isinstance(step, list) and len(step) == 1 else step for step in steps]
    offsets = column.steps.offsets
    return [REASONS[reason] or plain[offsets[i] : offsets[i + 1]] for i, reason in enumerate(column.reasons.tolist())]


def test_nested_brackets_are_structure():
    assert read(["[[0.1, 84.7], [0.7, 25.5]]", "[[1 2]\n [3 4]]", "[[5; 6]]", "[]"]) == [
        [[0.1, 84.7], [0.7, 25.5]],
        [[1.0, 2.0], [3.0, 4.0]],
        [[5.0, 6.0]],
        [],
    ]
    cells = ["[[1, 2], [5, 6]]", "[[1, 2], [3]]", "7", "[[]]"]
    assert read(cells) == [[[1.0, 2.0], [5.0, 6.0]], "features", "features", "features"]
    assert read(["[[1], [2]]", "[3, 4]", "5"]) == [[1.0, 2.0], [3.0, 4.0], [5.0]]
    assert read(["[[1, 2]]", "[[1, null]]", "[[1, x]]"]) == [[[1.0, 2.0]], "null_inside", "type"]


BROKEN = [
    "1]2[3",
    "[1][2]",
    "[1",
    "1]",
    "[[1, 2], 3]",
    "[[1][2]]",
    "[[[1]]]",
    "1,,2",
    ",1",
    "1,",
    "1;;2",
    "[,]",
    "1 2,3",
]


@pytest.mark.parametrize("cell", BROKEN)
@pytest.mark.parametrize("kind", ["integers", "vectors"])
def test_what_is_neither_a_flat_list_nor_a_nested_one_is_rejected_alone(cell, kind):
    found = read(["1", cell, "[2]"], kind)
    assert found[0] == [1]
    assert found[1] in ("type", "unclear_comma")
    assert found[2] == [2]


def test_nested_lists_are_no_integers():
    assert read(["[[1, 2], [3, 4]]", "[1]"], "integers") == ["type", [1]]


def test_a_comma_inside_numbers_is_unclear_where_fields_are_delimited_by_another_mark():
    cells = ["13,44 84,74", "1,5", "1, 5", "[1,5]", "1;5", "7"]
    expected = ["unclear_comma", "unclear_comma", [1.0, 5.0], [1.0, 5.0], [1.0, 5.0], [7.0]]
    assert read(cells, delimiter=";") == expected
    assert read(cells, delimiter="\t") == expected
    assert read(["1,234 56", "1,234,567"], "integers", delimiter=";") == ["unclear_comma"] * 2


def test_a_comma_parts_numbers_where_it_delimits_fields_or_the_decimal_mark_is_said():
    assert read(["1,5", "13,44 84,74"], delimiter=",") == [[1.0, 5.0], "unclear_comma"]
    assert read(["1,5"], delimiter=";", decimal=".") == [[1.0, 5.0]]


def test_a_decimal_comma_is_read_where_it_is_said():
    cells = ["13,44 84,74", "1,5", "1,5; 2", "[0,1; -,5e1]", "[[0,1 1] [2 3,5]]", "1.5", "1,5,2"]
    expected = [[13.44, 84.74], [1.5], [1.5, 2.0], [0.1, -5.0], "features", "type", "type"]
    assert read(cells, decimal=",") == expected
    assert read(["1,5", "7"], "integers", decimal=",") == ["type", [7]]


@pytest.mark.parametrize("mark", [",", ".", "'", " ", "_", "\u00a0", "\u202f"])
def test_groups_of_thousands_are_read_where_their_mark_is_said(mark):
    decimal = "," if mark == "." else None
    cells = [f"1{mark}234", f"12{mark}345{mark}678; -9", f"1{mark}23", f"{mark}234", f"1234{mark}567", "1234"]
    expected = [[1234], [12345678, -9], "type", "type", "type", [1234]]
    if mark == " ":  # at the edge it is around the number
        expected[3] = [234]
    assert read(cells, "integers", thousands=mark, decimal=decimal) == expected
    point = decimal or "."
    assert read([f"[1{mark}234{point}5; 0{point}25]"], thousands=mark, decimal=decimal) == [[1234.5, 0.25]]


def test_rows_of_a_slice_are_read_from_where_it_begins():
    text = pa.array(["1", "2 3", "[[4, 5]]", "6", "x"], pa.large_string()).slice(1, 3)
    column = to_column(text, "vectors")
    assert column.steps.values.tolist() == [[2.0], [3.0], [0.0], [6.0]]
    assert column.reasons.tolist() == [0, REASONS.index("features"), 0]


@pytest.mark.parametrize("seed", range(5))
def test_lists_are_read_as_python_reads_them(seed):
    rng = np.random.default_rng(seed)
    rows = [rng.normal(scale=10.0 ** rng.integers(-8, 9), size=rng.integers(0, 9)).tolist() for _ in range(200)]
    assert read([str(row) for row in rows]) == rows
    assert read([" ".join(map(repr, row)) for row in rows]) == rows
    nested = [rng.normal(size=(rng.integers(1, 5), 3)).tolist() for _ in range(200)]
    assert read([str(row) for row in nested]) == nested
