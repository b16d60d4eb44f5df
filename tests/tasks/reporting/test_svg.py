"""Pictures as SVG: what is drawn where, and that text from outside is only read."""

import base64
from xml.etree import ElementTree as ET

import pytest

from tasks.reporting.svg import MAX_SHRUNK, Axes, Picture, nice_ticks, tag, text, write_tick

ACTING = "\x1b<script>alert(1)</script>\"'&\u202e"


def parsed(picture):
    """The drawing as a tree, which is only there if it is well formed."""
    return ET.fromstring(picture.inline())  # noqa: S314 - made here


def test_ticks_are_round_numbers_within_the_range_and_few():
    assert nice_ticks(0, 1) == [0, 0.2, 0.4, 0.6, 0.8, 1]
    assert nice_ticks(0, 23_456) == [0, 5000, 10_000, 15_000, 20_000]
    assert nice_ticks(412.3, 419.1, 4) == [414, 416, 418]
    assert nice_ticks(-0.02, 0.03) == [-0.02, -0.01, 0, 0.01, 0.02, 0.03]
    assert nice_ticks(3, 3) == [3]


@pytest.mark.parametrize(("value", "said"), [(100_000, "100,000"), (0.25, "0.25"), (1e-7, "1e-07"), (-3.0, "-3")])
def test_ticks_are_written_once_for_all(value, said):
    assert write_tick(value) == said


def test_text_from_outside_is_no_mark_up_in_a_picture():
    picture = Picture(ACTING, ACTING, 10, 10, [text(0, 0, ACTING), tag("rect", fill=ACTING)])
    (label, box) = parsed(picture)
    assert label.text == "\\x1b<script>alert(1)</script>\"'&\\u202e"
    assert len(label) == 0
    assert box.attrib["fill"] == label.text
    assert "<script" not in picture.inline()


def test_points_lie_where_their_values_say():
    axes = Axes((0, 10), (0, 1), ("x", "y"), width=168, height=186)
    assert axes.at(0, 0) == (56, 142)
    assert axes.at(10, 1) == (156, 42)
    axes.add_line([(0, 0), (10, 1)], "a", 0)
    assert 'points="56.0,142.0 156.0,42.0"' in axes.parts[0]


def test_a_key_that_is_too_long_for_a_line_goes_on_in_the_next():
    axes = Axes((0, 1), (0, 1), ("x", "y"), width=200)
    for name in ("one", "the other one", "a band"):
        axes.add_band([(0, 0)], [(0, 1)], name, 0)
    places = {
        part.text: (float(part.attrib["x"]), float(part.attrib["y"]))
        for part in parsed(axes.picture("t", "a", [0], [0])).iter("text")
    }
    assert [places[name][1] for name in ("one", "the other one", "a band")] == [28, 44, 60]
    assert places["one"][0] == places["the other one"][0] == 79


def test_labels_below_are_written_as_the_picture_wants_them():
    picture = Axes((0, 1), (0, 1), ("x", "y")).picture("t", "a", [0, 1], [0], lambda tick: "ab"[int(tick)])
    assert {"a", "b"} <= {part.text for part in parsed(picture).iter("text")}


def test_lines_differ_by_more_than_their_colour():
    axes = Axes((0, 1), (0, 1), ("x", "y"))
    for i in range(2):
        axes.add_line([(0, 0)], f"line {i}", i, i)
    assert ["stroke-dasharray" in part for part in axes.parts] == [False, True]
    assert [name for name, *_ in axes.keys] == ["line 0", "line 1"]


def test_a_picture_takes_the_colours_of_its_page_and_brings_its_own_where_the_page_is_anothers():
    axes = Axes((0, 1), (0, 1), ("steps", "error"))
    axes.add_bars([0.5])
    picture = axes.picture("title", "what is seen", [1], [0, 1])
    assert "var(--ink)" in picture.inline()
    assert "--ink:" not in picture.inline()
    alone = base64.b64decode(picture.data_uri().partition(",")[2]).decode()
    assert "--ink:" in alone
    assert ET.fromstring(alone).attrib["width"] == "370"  # noqa: S314 - made here
    assert parsed(picture).attrib["aria-label"] == "what is seen"


def test_only_a_picture_too_wide_to_be_made_smaller_scrolls():
    assert [Picture("", "", width, 1, []).is_wide for width in (MAX_SHRUNK, MAX_SHRUNK + 1)] == [False, True]
