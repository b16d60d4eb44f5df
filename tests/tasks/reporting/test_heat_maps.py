"""Tables of shares as pictures: every square at its place, every label that can be read."""

import re
from xml.etree import ElementTree as ET

import numpy as np

from tasks.reporting.heat_maps import LEVELS, MAX_LABELS, heat_map


def drawn(shares, rows, columns):
    """The labels, and the opacity of each square by row and column."""
    root = ET.fromstring(heat_map("t", "a", np.array(shares), rows, columns, "names").inline())  # noqa: S314
    labels = [part.text for part in root.iter("text")][1:]
    frame = next(root.iter("rect")).attrib
    cell = float(frame["width"]) / len(columns)
    squares = {}
    for path in root.iter("path"):
        for x, y in re.findall(r"M([0-9.]+) ([0-9.]+)", path.attrib["d"]):
            place = [round((float(at) - float(frame[name])) / cell) for at, name in ((y, "y"), (x, "x"))]
            squares[tuple(place)] = float(path.attrib["fill-opacity"])
    return labels, squares


def test_rows_go_down_and_columns_across_and_shares_are_the_strength():
    labels, squares = drawn([[0.1, 0.9, 0], [0, 0.5, 1.0]], ["x", "<end>"], ["a", "$b$", "<end>"])
    assert labels == ["x", "<end>", "a", "$b$", "<end>"]
    assert squares == {(0, 0): 0.1, (0, 1): 0.9, (1, 1): 0.5, (1, 2): 1.0}


def test_fifty_labels_are_all_there_and_more_than_can_be_read_are_numbered():
    names = [f"w{i}" for i in range(50)]
    labels, _ = drawn(np.eye(50), names, names)
    assert labels == names * 2
    labels, squares = drawn(np.eye(MAX_LABELS + 10), ["b"] * (MAX_LABELS + 10), ["a"] * (MAX_LABELS + 10))
    assert labels == [str(i) for i in range(10, MAX_LABELS + 11, 10)] * 2
    assert set(squares) == {(i, i) for i in range(MAX_LABELS + 10)}


def test_what_is_no_number_is_not_drawn_and_next_to_nothing_neither():
    assert drawn([[np.nan, 0.2 / LEVELS, 1]], ["r"], ["a", "b", "c"])[1] == {(0, 2): 1.0}


def test_an_empty_map_is_a_picture():
    assert drawn(np.zeros((0, 1)), [], ["a"]) == (["a"], {})
