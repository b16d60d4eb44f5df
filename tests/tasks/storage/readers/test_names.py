"""Names of columns and fields that are not UTF-8 are refused by name."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.seq2seq.errors import DataError
from tasks.storage.readers.blocks import Layout
from tasks.storage.readers.inputs import list_inputs
from tasks.storage.readers.user_files import (
    check_input,
    columns_left_out,
    count_rows,
    has_column,
    read_blocks,
    read_columns,
)

LAYOUT = Layout(("source",), ("characters",), sides=("source",))
KINDS = {
    "a column": pa.int8(),
    "a field": pa.struct([("NAMED", pa.int8())]),
    "a field of a list": pa.list_(pa.struct([("NAMED", pa.int8())])),
}
USES = (
    count_rows,
    lambda file: check_input(file, LAYOUT),
    lambda file: has_column(file, LAYOUT, "x"),
    lambda file: read_columns(file, LAYOUT),
    lambda file: columns_left_out(file, LAYOUT),
    lambda file: list(read_blocks(file, LAYOUT)),
)


@pytest.mark.parametrize("use", USES, ids=["count", "check", "has", "columns", "left out", "blocks"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("suffix", ["parquet", "arrow"])
def test_a_name_that_is_not_utf8_is_refused_by_name(tmp_path, suffix, kind, use):
    path = tmp_path / f"a.{suffix}"
    table = pa.table({"source": ["a"], ("NAMED" if kind == "a column" else "x"): pa.nulls(1, KINDS[kind])})
    if suffix == "parquet":
        pq.write_table(table, path, store_schema=False)
    else:
        with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
            writer.write_table(table)
    path.write_bytes(path.read_bytes().replace(b"NAMED", b"N\xff\x1bED"))
    (file,) = list_inputs(path)
    if use is count_rows and (suffix == "arrow" or kind != "a column"):
        return  # their rows are counted without any name
    with pytest.raises(DataError, match="not UTF-8") as error:
        use(file)
    assert str(error.value).isprintable()
