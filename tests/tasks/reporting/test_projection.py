"""Rows taken evenly, seen from where they differ most, and told apart by colours."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.reporting.projection import EvenSample, find_colours, principal_components


def sampled(sizes, most):
    """The numbers of the rows that stay of blocks of these sizes."""
    sample, rows, first = EvenSample(most), np.zeros(0, np.int64), 0
    for n in sizes:
        rows = np.concatenate([rows, first + sample.add(n)])
        first += n
        while sample.thin():
            rows = rows[::2]
    return rows.tolist(), sample


def test_all_rows_stay_while_they_are_few_and_then_every_second_and_fourth():
    assert sampled([4, 3], most=7)[0] == [0, 1, 2, 3, 4, 5, 6]
    assert sampled([4, 4], most=7)[0] == [0, 2, 4, 6]
    assert sampled([40], most=7)[0] == [0, 8, 16, 24, 32]


@given(st.lists(st.integers(0, 50), max_size=20), st.integers(1, 30))
def test_which_rows_stay_does_not_depend_on_the_blocks_and_they_are_neither_too_many_nor_too_few(sizes, most):
    rows, sample = sampled(sizes, most)
    n = sum(sizes)
    assert rows == list(range(0, n, sample.step)) == sampled([n], most)[0]
    assert min(n, (most + 1) // 2) <= len(rows) <= most
    assert (sample.seen, sample.kept) == (n, len(rows))


def test_a_plane_that_is_turned_into_many_dimensions_is_found_again():
    """Hand-made points whose spread along the axes is known, under a random rotation and shift."""
    rng = np.random.default_rng(0)
    plane = np.array([[-3, 0], [3, 0], [0, -1], [0, 1], [0, 0]], float)
    turn, _ = np.linalg.qr(rng.normal(size=(6, 6)))
    found = principal_components((plane @ turn[:2] + rng.normal(size=6)).astype(np.float32))
    np.testing.assert_allclose(np.abs(found.points), np.abs(plane), atol=1e-5)
    assert found.shares == pytest.approx((0.9, 0.1), abs=1e-5)


def test_a_component_points_to_where_its_largest_weight_is_positive():
    rows = np.array([[-2.0, 0.5], [0, 0], [4, -1]])
    for signed in (rows, -rows):
        points = principal_components(signed).points
        assert np.array_equal(np.argsort(points[:, 0]), np.argsort(signed[:, 0]))


@pytest.mark.parametrize("rows", [np.zeros((0, 3)), np.ones((1, 3)), np.ones((5, 3)), np.arange(4.0)[:, None]])
def test_rows_that_do_not_differ_in_two_ways_have_nothing_there(rows):
    found = principal_components(rows)
    assert found.points.shape == (len(rows), 2)
    assert (found.points[:, 1] == 0).all()
    assert np.isfinite(found.shares).all()


def test_few_values_are_categories_in_order_and_what_is_missing_comes_last():
    found = find_colours(["b", None, "a", "b", float("nan")])
    assert found.numbers is None
    assert found.categories == ["b", "none", "a", "b", "none"]
    assert found.names == ["a", "b", "none"]
    assert find_colours([10, 9, 2]).names == find_colours(["10", "9", "2"]).names == ["2", "9", "10"]
    assert find_colours([True, False]).names == ["False", "True"]
    assert find_colours([[1, 2], [None, 3]]).names == ["1 2", "none 3"]


def test_many_numbers_are_numbers_though_they_are_written_as_text():
    values = [*range(11), None]
    for written in (values, [None if value is None else str(value) for value in values]):
        found = find_colours(written)
        assert found.numbers[:11].tolist() == list(range(11))
        assert np.isnan(found.numbers[11])
        assert found.names == []


def test_of_many_categories_the_commonest_are_shown_and_the_others_together():
    values = [f"w{i:02d}" for i in range(15) for _ in range(20 - i)] + [None]
    found = find_colours(values)
    assert found.names == [*(f"w{i:02d}" for i in range(9)), "others", "none"]
    assert found.categories.count("others") == sum(20 - i for i in range(9, 15))


def test_no_values_have_no_colours():
    assert find_colours([]) == (None, [], [])
    assert find_colours([None]).names == ["none"]
