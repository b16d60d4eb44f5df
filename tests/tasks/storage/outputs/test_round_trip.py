"""What the program writes in any format it reads back to the same values, of every encoding."""

import unicodedata

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasks.storage.files.inputs import LOCAL, InputFile
from tasks.storage.ingest.columns import to_column
from tasks.storage.outputs.writers import OutputWriter
from tasks.storage.readers.blocks import Layout
from tasks.storage.readers.user_files import read_blocks

TEXT = st.text(st.characters(codec="utf-8"), max_size=8).map(lambda text: unicodedata.normalize("NFC", text))
ROWS = {
    "integers": (st.lists(st.integers(-(2**63), 2**63 - 1), max_size=4), pa.list_(pa.int64())),
    "vectors": (st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=4), pa.list_(pa.float64())),
    "nested": (
        st.lists(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=2, max_size=2), max_size=3),
        pa.list_(pa.list_(pa.float64(), 2)),
    ),
    "words": (st.lists(TEXT, max_size=4), pa.list_(pa.string())),
    "characters": (TEXT, pa.string()),
}


def read_back(path, name, encoding):
    layout = Layout((name,), (encoding,), sides=("source",))
    found = []
    for block in read_blocks(InputFile(str(path), LOCAL), layout):
        features = 2 if name.endswith("nested") else None
        column = to_column(block.table.column(0), encoding, dialect=block.dialect, features=features)
        assert not column.reasons.any(), path.read_bytes()
        assert not block.rejects
        values = column.steps.values
        steps = [column.words[i] for i in values] if column.words is not None else values.tolist()
        rows = [steps[first:last] for first, last in zip(column.steps.offsets, column.steps.offsets[1:], strict=False)]
        found += ["".join(map(chr, row)) for row in rows] if encoding == "characters" else rows
    return found


@pytest.mark.seconds
@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
@pytest.mark.parametrize("name", ["prediction", "kept"])
@pytest.mark.parametrize("held", ROWS)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_sequences_are_read_back_as_they_were_written(tmp_path, held, name, kind, data):
    strategy, type_ = ROWS[held]
    rows = data.draw(st.lists(strategy, min_size=1, max_size=6))
    # Beside a column of its own, since a blank line of a CSV with one column is a missing value.
    table = pa.table({"row": list(range(len(rows))), f"{name}_{held}": pa.array(rows, type_)})
    if name == "prediction":
        table = table.rename_columns(["row", "prediction"])
    path = tmp_path / f"a.{kind}"
    path.unlink(missing_ok=True)
    with OutputWriter(path, table.schema, kind, "{}") as writer:
        writer.write(table)
    encoding = "vectors" if held == "nested" else held
    column = table.column_names[1]
    found = read_back(path, "prediction" if column == "prediction" else column, encoding)
    if held == "vectors":
        rows = [[[value] for value in row] for row in rows]
    assert len(found) == len(rows)
    assert all(
        np.array_equal(a, b) if encoding == "vectors" and len(b) else a == b for a, b in zip(found, rows, strict=True)
    )
