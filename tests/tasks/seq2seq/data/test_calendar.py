"""What stamps say of the calendar."""

import datetime as dt

import numpy as np
import pytest

from tasks.seq2seq.data.calendar import CALENDAR, calendar_features


def us(*stamps):
    return np.array(stamps, "M8[us]").astype(np.int64)


@pytest.mark.parametrize("text", ["2024-01-01T00:00", "2024-02-29T23:59", "1969-12-31T12:30", "2023-10-08T05:45"])
def test_each_feature_is_what_the_calendar_says(text):
    when, stamps = dt.datetime.fromisoformat(text), us(text)
    places = {name: int(feature.place(stamps)[0]) for name, feature in CALENDAR.items()}
    assert places == {
        "minute": when.minute, "hour": when.hour, "weekday": when.weekday(), "day": when.day - 1,
        "yearday": when.timetuple().tm_yday - 1, "month": when.month - 1, "quarter": (when.month - 1) // 3,
    }  # fmt: skip


def test_the_last_hour_is_as_near_to_the_first_as_that_is_to_the_second():
    features = calendar_features(us("2024-01-01T23:00", "2024-01-02T00:00", "2024-01-02T01:00"), ["hour"])
    before, after = (np.linalg.norm(features[i] - features[1]) for i in (0, 2))
    assert before == pytest.approx(after)
    assert features.shape == (3, 2)
    assert calendar_features(us("2024-01-01"), []).shape == (1, 0)
