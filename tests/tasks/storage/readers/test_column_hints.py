"""A column that its stored type keeps from being read: the refusal names the setting that reads it."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.seq2seq.errors import DataError
from tasks.storage.files.inputs import LOCAL, InputFile
from tasks.storage.readers.blocks import Layout
from tasks.storage.readers.user_files import check_input


def parquet(path, table):
    pq.write_table(table, path)


def arrow(path, table):
    with pa.ipc.new_file(path, table.schema) as writer:
        writer.write_table(table)


FORMATS = {"a.parquet": parquet, "a.arrow": arrow}
CASES = [
    (pa.array([[1.5, 2.0]]), "integers", "vectors"),
    (pa.array([[1, 2]]), "words", "integers"),
    (pa.array([None, [[1.5, 2.0]]]), "integers", "vectors"),
    (pa.array([["a", "b"]]), "characters", "words"),
    (pa.array([[2]]), "characters", "integers"),
]


def refusal(path, write, column, kind, **layout):
    write(path, pa.table({"source": column, "target": pa.array([[1]] * len(column))}))
    with pytest.raises(DataError, match="column 'source' is of type") as error:
        check_input(InputFile(str(path), LOCAL), Layout(("source", "target"), (kind, "integers"), **layout))
    return str(error.value)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize(("column", "kind", "wanted"), CASES)
def test_the_refusal_names_the_setting_that_reads_the_column(tmp_path, name, column, kind, wanted):
    said = refusal(tmp_path / name, FORMATS[name], column, kind)
    assert said.endswith(f'data.source_encoding = "{wanted}" reads (data.source_encoding is "{kind}")')


@pytest.mark.parametrize("name", FORMATS)
def test_nothing_is_advised_where_nothing_reads_it_or_where_the_model_says_how_it_is_read(tmp_path, name):
    unread = refusal(tmp_path / name, FORMATS[name], pa.array([True, False]), "words")
    assert "looks like" not in unread
    to_predict = refusal(tmp_path / name, FORMATS[name], pa.array([[1.5, 2.0]]), "integers", prefix="--")
    assert "looks like" not in to_predict


def test_a_column_whose_rows_cannot_be_read_is_refused_by_its_type_all_the_same(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"source": [["w"] * 9] * 999, "target": [[1]] * 999}), path, compression="none")
    content = bytearray(path.read_bytes())
    content[12:400] = bytes(388)
    path.write_bytes(content)
    with pytest.raises(DataError, match="column 'source' is of type list<"):
        check_input(InputFile(str(path), LOCAL), Layout(("source", "target"), ("characters", "integers")))
