"""Plain integers are taken as they are, as if they had come by a column."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.storage.ingest.python_values import plain_integers, to_array
from tasks.storage.ingest.row_rules import RowRules

lists_of_integers = st.lists(st.lists(st.integers(-(2**63), 2**63 - 1), max_size=4), max_size=5)
all_rules = st.builds(
    RowRules,
    encoding=st.just("integers"),
    lowercase=st.just(False),
    keep_empty=st.booleans(),
    max_length=st.integers(1, 4),
    length=st.none() | st.integers(0, 4),
)
LENIENT = RowRules("integers", lowercase=False, keep_empty=True, max_length=10)


@given(lists_of_integers, all_rules)
def test_plain_lists_are_what_a_column_of_them_is_and_refused_where_it_has_a_fault(rows, rules):
    column = rules.apply(to_array(rows, "integers")[0])
    found = plain_integers(rows, rules)
    assert (found is None) == bool(column.reasons.any())
    if found is not None:
        assert found.values.dtype == column.steps.values.dtype
        assert found.values.tolist() == column.steps.values.tolist()
        assert found.offsets.tolist() == column.steps.offsets.tolist()


@pytest.mark.parametrize("rows", [[[1, 2], [3]], ((1, 2), (3,)), [(1, 2), [3]], np.array([[1, 2], [3, 4]], np.uint8)])
def test_lists_tuples_and_arrays_of_integers_are_plain(rows):
    found = plain_integers(rows, LENIENT)
    assert found is not None
    assert [found[i].tolist() for i in range(len(found))] == [list(row) for row in rows]


@pytest.mark.parametrize(
    "rows",
    [
        [[1], None],
        [[1, None]],
        [[1, True]],
        [[1, 2.0]],
        [["1"]],
        [[[1]]],
        [[2**63]],
        [{1: 2}],
        [1, 2],
        "12",
        5,
        None,
        np.array(5),
        np.array([1, 2]),
        np.array([[True]]),
        [np.array([1, 2])],
        pa.array([[1, 2]]),
    ],
    ids=str,
)
def test_whatever_else_there_is_goes_by_a_column(rows):
    assert plain_integers(rows, LENIENT) is None


@pytest.mark.parametrize("encoding", ["characters", "words", "vectors"])
def test_other_encodings_go_by_a_column(encoding):
    assert plain_integers([[1, 2]], RowRules(encoding, lowercase=False, keep_empty=True, max_length=10)) is None
