"""Scores in the order in which they came."""

import pytest

from tasks.reporting.history import draw_history


def test_each_score_is_a_dot_and_the_leading_one_goes_on_until_another_leads():
    picture = draw_history([0.5, None, 0.25, 1.0], [0.5, 0.5, 0.5, 1.0], "token accuracy", ("trial", "best so far"))
    drawn = str(picture.inline())
    assert drawn.count("<circle") == 3 + 1  # and one of the key
    (line,) = [part for part in drawn.split("<") if part.startswith("polyline")]
    points = [tuple(map(float, pair.split(","))) for pair in line.split('points="')[1].split('"')[0].split()]
    heights = [y for _, y in points]
    assert heights == [heights[0]] * (len(points) - 1) + [heights[-1]]
    assert points[-2][0] == points[-1][0]  # straight up, where the better one came
    assert picture.alt == (
        "Chart of the token accuracy of 4 in their order, from 0.25 to 1; best so far, at the end: 1."
    )


@pytest.mark.parametrize("scores", [[None], [0.5], [None, None, None]])
def test_few_scores_and_none_are_drawn_too(scores):
    assert draw_history(scores, scores, "mae", ("trial", "best so far")).inline().startswith("<svg")
