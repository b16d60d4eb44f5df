from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from tasks.seq2seq.errors import DataError
from tasks.seq2seq.settings.data import FilesData
from tasks.storage.readers import formats
from tasks.storage.readers.blocks import Layout, RowBlock, to_kept, to_table
from tasks.storage.readers.formats import FORMATS, known_suffixes
from tasks.storage.readers.inputs import list_inputs
from tasks.storage.readers.user_files import check_input, columns_left_out, count_rows, read_blocks, read_columns

LAYOUT = Layout(("source", "target"), ("characters", "characters"))
OWN_DATA = Path(__file__).parents[4] / "docs" / "own-data.md"


class Arrows:
    """Lines such as `one => two`, which begin with a line that says so."""

    name = "arrow lines"
    suffixes = (".arrows", ".arr")
    signatures = (b"=>\n",)
    is_text = True
    delimiter = None
    has_schema = True

    def check(self, file, _layout):
        if not self._rows(file):
            raise DataError(f"{file.path} has no rows, expected rows of sequences")

    def has(self, _file, _layout, column):
        return column in ("source", "target")

    def columns(self, _file, _layout):
        return pa.schema([("source", pa.string()), ("target", pa.string())])

    def left_out(self, _file, _layout):
        return ["the first line"]

    def count(self, _file):
        return None

    def read(self, file, layout, kept=None):
        rows = self._rows(file)
        columns = [pa.array(side) for side in zip(*(row.split(" => ") for row in rows), strict=True)]
        block = RowBlock(np.arange(len(rows)) + 1, to_table(columns, layout), [])
        yield block if kept is None else block._replace(kept=to_kept(columns, kept, len(rows)))

    def _rows(self, file):
        with file.open_stream() as opened:
            return opened.read().decode().splitlines()[1:]


@pytest.fixture
def arrows(monkeypatch):
    monkeypatch.setattr(formats, "FORMATS", (*FORMATS, Arrows()))


def written(path, content):
    path.write_bytes(content)
    (file,) = list_inputs(path)
    return file


@pytest.mark.usefixtures("arrows")
def test_a_format_is_a_row_of_the_table(tmp_path):
    file = written(tmp_path / "a.arrows", b"=>\none => two\nthree => four\n")
    check_input(file, LAYOUT)
    (block,) = read_blocks(file, LAYOUT, read_columns(file, LAYOUT))
    assert block.table.to_pydict() == {"source": ["one", "three"], "target": ["two", "four"]}
    assert block.kept == block.table
    assert (columns_left_out(file, LAYOUT), count_rows(file)) == (["the first line"], None)
    assert [one.name for one in list_inputs(tmp_path)] == ["a.arrows"]


@pytest.mark.usefixtures("arrows")
def test_the_table_is_all_that_messages_know_of_formats(tmp_path):
    with pytest.raises(DataError, match=r"is not arrow lines, as its suffix says: it begins like Parquet"):
        check_input(written(tmp_path / "a.arr", b"PAR1\x15"), LAYOUT)
    with pytest.raises(DataError, match=r"is not CSV, as its suffix says: it begins like arrow lines"):
        check_input(written(tmp_path / "a.csv", b"=>\na => b\n"), LAYOUT)
    with pytest.raises(
        DataError, match=r"of no known suffix .*\.npz, \.arrows, \.arr; .*\.ndjson \.arrows \.arr\) also"
    ):
        written(tmp_path / "a.txt", b"a")


def test_no_two_formats_share_a_suffix_a_name_or_a_signature():
    for of in (lambda form: form.suffixes, lambda form: (form.name,), lambda form: filter(None, form.signatures)):
        every = [one for form in FORMATS for one in of(form)]
        assert len(every) == len(set(every))


def test_messages_list_the_suffixes_of_all_formats():
    assert known_suffixes() == (
        ".parquet, .arrow, .feather, .csv, .tsv, .jsonl, .ndjson, .npz; those of text (.csv .tsv .jsonl .ndjson) also "
        "with .gz, .zst or .zstd after it"
    )


def test_the_page_on_own_data_and_the_help_of_the_setting_name_each_format():
    page, said = OWN_DATA.read_text(encoding="utf-8"), str(FilesData.model_fields["train"].description)
    for form in FORMATS:
        assert all(f"`{suffix}`" in page for suffix in form.suffixes)
        assert form.suffixes[0] in said
