"""Columns that look like time, where rows are taken as they come."""

import pytest

from tasks.seq2seq.settings.data import FilesData
from tasks.storage.ingest.unread_time import find_unread_time
from tasks.storage.readers.inputs import list_inputs


def found(path, rows, columns="store,day,sales", **settings):
    path.write_text("\n".join([columns, *rows]) + "\n")
    data = {"source": "sales", "source_encoding": "vectors", "target_encoding": "vectors", "history": 2, "horizon": 1}
    (file,) = list_inputs(path)
    return find_unread_time(FilesData(train=path, **{**data, **settings}), file)


DAYS = [f"2024-01-{day:02}" for day in range(1, 29)]


@pytest.mark.parametrize(
    ("days", "said"),
    [
        (DAYS[::-1], "does not ascend"),
        (DAYS + DAYS, "does not ascend"),
        (DAYS[:9] + DAYS[8:], "has a stamp more than once"),
        (DAYS[:9] + DAYS[12:], "ascends by other steps than 1d in places"),
        (["20240101", "20240102", "20240104"], "holds dates written as numbers"),
    ],
)
def test_a_column_that_looks_like_time_and_is_not_even_is_told(tmp_path, days, said):
    (line,) = found(tmp_path / "a.csv", [f"s,{day},{i}" for i, day in enumerate(days)])
    for part in ("column 'day' looks like time", said, "data.time", "data.series"):
        assert part in line


@pytest.mark.parametrize("days", [DAYS, [f"2024-{month:02}" for month in range(1, 13)], ["fine", "rain"], ["7", "3"]])
def test_even_time_and_what_is_no_time_is_nothing_to_tell(tmp_path, days):
    assert found(tmp_path / "a.csv", [f"s,{day},{i}" for i, day in enumerate(days)]) == []


def test_time_that_is_read_is_nothing_to_tell(tmp_path):
    assert found(tmp_path / "a.csv", [f"s,{day},{i}" for i, day in enumerate(DAYS[::-1])], time="day") == []
