"""Wide tables, a row a series: the same dataset as of a long one, whatever the format and the way stamps are said."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.seq2seq.errors import DataError
from tasks.storage.ingest import wide_rows
from tests.tasks.storage.ingest.test_panels import FIRST, PANEL, ingest, panel, refused, targets

__all__ = ["ingest"]  # the fixture

DAYS = 40
WIDE = {**PANEL, "wide": True}


def wide(rows, *, first=None):
    """The rows of a long panel as a row a store: names of columns, and rows; with a start where one is given."""
    stores = dict.fromkeys(store for store, *_ in rows)
    days = sorted({day for _, day, *_ in rows})
    value = {(store, day): sales for store, day, sales in rows}
    cells = [[value.get((store, day), "") for day in days] for store in stores]
    if first is None:
        return ["store", *days], [[store, *of] for store, of in zip(stores, cells, strict=True)]
    names = [f"V{i}" for i in range(len(days))]
    return ["store", "begin", *names], [[store, first, *of] for store, of in zip(stores, cells, strict=True)]


def alike(made, other):
    assert made.windows() == other.windows()
    assert targets(made) == targets(other)
    assert made.codecs == other.codecs
    assert made.account["time"]["step"] == other.account["time"]["step"]


def test_a_row_a_series_makes_the_dataset_of_a_row_a_step(ingest):
    columns, rows = wide(panel())
    made = ingest(rows, columns, wide=True)
    alike(made, ingest(panel()))
    assert (made.account["read"], made.account["n_series"]) == (3 * DAYS, 3)


def test_an_empty_cell_is_a_gap(ingest):
    rows = [row for row in panel() if not (row[0] == "s1" and row[1] in ("2024-01-11", "2024-01-12"))]
    columns, cells = wide(rows)
    made = ingest(cells, columns, wide=True)
    alike(made, ingest(rows))
    assert (made.account["time"]["missing"], made.account["time"]["gaps"], made.account["rejected"]) == (2, 1, 0)


@pytest.mark.parametrize(("first", "step", "stamps"), [
    ("2024-01-01", "1d", lambda i: str(FIRST + i)),
    ("2020-01-31", "1mo", lambda i: str((np.datetime64("2020-02") + i).astype("M8[D]") - 1)),
    ("7", "3", lambda i: 7 + 3 * i),
    ("2024-01-01T05:00", "1h", lambda i: str(np.datetime64("2024-01-01T05:00") + np.timedelta64(i, "h"))),
])  # fmt: skip
def test_steps_may_follow_a_start(ingest, first, step, stamps):
    columns, rows = wide(panel(), first=first)
    made = ingest(rows, columns, wide=True, start="begin", step=step)
    long = [(store, stamps(i % DAYS), sales) for i, (store, _, sales) in enumerate(panel())]
    alike(made, ingest(long, step=step))


def test_numbers_of_parquet_and_names_in_a_stated_format_are_read(ingest, tmp_path):
    columns, rows = wide(panel())
    names = [f"{day[8:]}.{day[5:7]}.{day[:4]}" for day in columns[1:]]
    table = pa.table({"store": [row[0] for row in rows], "size": [1.5, 2.5, 3.5]} | {
        name: pa.array([row[i + 1] for row in rows], [pa.float32(), pa.int64()][i % 2]) for i, name in enumerate(names)
    })  # fmt: skip
    pq.write_table(table, tmp_path / "wide.parquet")
    made = ingest(rows, train=tmp_path / "wide.parquet", wide=True, time_format="%d.%m.%Y", static="size")
    plain = ingest(panel())
    assert targets(made) == targets(plain)
    assert made.codecs.source.mean[1:] == pytest.approx((2.5,))


def test_cells_that_are_no_numbers_and_rows_without_an_id_are_rejects_of_each_step(ingest):
    columns, rows = wide(panel())
    rows[1][5], rows[2][0] = "closed", ""
    made = ingest(rows, columns, wide=True, max_reject_rate=0.5)
    assert made.account["reasons"] == {"source_type": 1, "series_null": DAYS}
    first = made.rejects[0]
    assert (first["row"], first["reason"]) == (2, "source_type")
    assert '"day": "2024-01-05"' in first["content"]
    assert '"sales": "closed"' in first["content"]


def test_wide_rows_are_taken_some_at_a_time(ingest, monkeypatch):
    columns, rows = wide(panel(7))
    whole = ingest(rows, columns, wide=True)
    monkeypatch.setattr(wide_rows, "_CELLS", 2 * DAYS)
    alike(ingest(rows, columns, wide=True), whole)


def test_columns_that_cannot_be_steps_are_named(ingest, tmp_path):
    pq.write_table(pa.table({"store": ["a"], "opened": [FIRST.astype("M8[ms]")]}), tmp_path / "a.parquet")
    said = refused(ingest, [], train=tmp_path / "a.parquet", wide=True)
    assert "column 'opened' is of type" in said
    assert "name it in data.series or data.static" in said
    assert "no column of a time step" in refused(ingest, [["a"]], ["store"], wide=True)
    columns, rows = wide(panel(), first="2024-01-01")
    assert "'begin' holds a date, from which steps of 1 cannot" in refused(
        ingest, rows, columns, wide=True, start="begin", step="1"
    )


def test_a_name_that_is_no_stamp_rejects_its_column(ingest):
    columns, rows = wide(panel())
    columns.append("remark")
    with pytest.raises(DataError, match="time_type"):
        ingest([[*row, 1] for row in rows], columns, wide=True)
