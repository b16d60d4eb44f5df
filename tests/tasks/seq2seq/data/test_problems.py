import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.seq2seq.data.problems import ADDITION_SYMBOLS, PROBLEMS, Dimensions, make_targets, resolve_dimensions
from tasks.seq2seq.errors import SettingsError

SOURCE = np.array([[5, 2, 9, 1, 9, 4]], np.int32)


@pytest.mark.parametrize(
    ("name", "n_out", "target"),
    [
        ("reverse_first", 3, [9, 2, 5]),
        ("reverse_first", 1, [5]),
        ("reverse", 6, [4, 9, 1, 9, 2, 5]),
        ("copy", 6, [5, 2, 9, 1, 9, 4]),
        ("sort", 6, [1, 2, 4, 5, 9, 9]),
    ],
)
def test_each_problem_gives_the_right_answer(name, n_out, target):
    assert make_targets(name, SOURCE, Dimensions(6, n_out, 9)).tolist() == [target]


def test_addition_by_hand():
    """123 + 456 = 0579: digit d has the id d + 1, the plus sign 11."""
    source = np.array([[2, 3, 4, 11, 5, 6, 7]], np.int32)
    assert make_targets("addition", source, Dimensions(7, 4, 11)).tolist() == [[1, 6, 8, 10]]


@given(st.data())
def test_addition_is_pythons_own(data):
    """A sum's digits are those of Python's int addition, at any length."""
    digits = data.draw(st.integers(1, 30))
    left, right = (data.draw(st.integers(0, 10**digits - 1)) for _ in range(2))
    question, answer = f"{left:0{digits}}+{right:0{digits}}", f"{left + right:0{digits + 1}}"
    source = np.array([[ADDITION_SYMBOLS.index(c) + 1 for c in question]], np.int32)
    target = make_targets("addition", source, Dimensions(2 * digits + 1, digits + 1, 11))
    assert "".join(ADDITION_SYMBOLS[i - 1] for i in target[0]) == answer


@pytest.mark.parametrize("name", PROBLEMS)
def test_drawn_pairs_have_the_promised_shapes_and_symbols(name):
    """Sources and targets are int32 in 1..cardinality; 0 never appears."""
    size = resolve_dimensions(name, None, None, None)
    source = PROBLEMS[name].draw(np.random.default_rng(0), 500, size)
    target = make_targets(name, source, size)
    assert (source.shape, source.dtype) == ((500, size.n_in), np.int32)
    assert (target.shape, target.dtype) == ((500, size.n_out), np.int32)
    for ids in (source, target):
        assert ids.min() >= 1
        assert ids.max() <= size.cardinality


def test_uniform_draws_reach_both_ends_of_the_cardinality():
    source = PROBLEMS["copy"].draw(np.random.default_rng(0), 1000, Dimensions(6, 6, 5))
    assert np.unique(source).tolist() == [1, 2, 3, 4, 5]


def test_drawn_sums_have_their_plus_sign_in_the_middle_and_digits_around_it():
    source = PROBLEMS["addition"].draw(np.random.default_rng(0), 500, Dimensions(5, 3, 11))
    assert (source[:, 2] == 11).all()
    assert np.unique(np.delete(source, 2, axis=1)).tolist() == list(range(1, 11))


@pytest.mark.parametrize(("name", "size"), [("copy", Dimensions(2, 2, 3)), ("addition", Dimensions(3, 2, 11))])
def test_the_number_of_different_sources_is_counted_right(name, size):
    """Many draws meet exactly as many different sources as the problem says there are."""
    drawn = PROBLEMS[name].draw(np.random.default_rng(0), 20_000, size)
    assert len(np.unique(drawn, axis=0)) == PROBLEMS[name].sources(size)


@pytest.mark.parametrize(
    ("given_size", "resolved"),
    [
        (("reverse_first", None, None, None), Dimensions(6, 3, 50)),
        (("reverse_first", 8, 5, 9), Dimensions(8, 5, 9)),
        (("reverse_first", 2, None, None), Dimensions(2, 2, 50)),
        (("copy", 4, None, None), Dimensions(4, 4, 50)),
        (("sort", None, None, 7), Dimensions(6, 6, 7)),
        (("addition", None, None, None), Dimensions(7, 4, 11)),
        (("addition", 3, None, None), Dimensions(3, 2, 11)),
    ],
)
def test_sizes_that_are_not_given_are_filled_in(given_size, resolved):
    assert resolve_dimensions(*given_size) == resolved


@pytest.mark.parametrize(
    ("name", "n_in", "n_out", "cardinality", "message"),
    [
        ("copy", 4, 4, None, r"data\.n_out is set to 4, .*'copy' derives it .*here 4"),
        ("reverse", None, 6, None, r"data\.n_out"),
        ("sort", None, 6, None, r"data\.n_out"),
        ("addition", 7, 4, None, r"data\.n_out"),
        ("addition", 7, None, 11, r"data\.cardinality is set to 11, .*exactly 11 symbols"),
        ("addition", 6, None, None, r"data\.n_in is 6; .*odd number of at least 3"),
        ("addition", 1, None, None, r"data\.n_in is 1"),
        ("reverse_first", 3, 4, None, r"data\.n_out is 4 but data\.n_in is 3"),
    ],
)
def test_a_size_that_is_derived_or_contradicts_is_refused(name, n_in, n_out, cardinality, message):
    with pytest.raises(SettingsError, match=message):
        resolve_dimensions(name, n_in, n_out, cardinality)
