"""Text behind a closing quote is never altered in silence, wherever the pieces of a file are cut."""

import csv
import io

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.seq2seq.settings.dialect import Dialect
from tasks.storage.files.inputs import LOCAL, InputFile
from tasks.storage.readers.quotes import MARKS, QuoteMarker
from tasks.storage.readers.user_files import Layout, read_blocks


def rows_of(tmp_path, text, **dialect):
    path = tmp_path / "a.csv"
    path.write_bytes(text.encode())
    layout = Layout(("source", "target"), ("characters", "characters"), dialect=Dialect(**dialect))
    found = list(read_blocks(InputFile(str(path), LOCAL), layout))
    rows = {
        int(row): tuple(values.values())
        for block in found
        for row, values in zip(block.rows, block.table.to_pylist(), strict=True)
    }
    return rows, [(reject.row, reject.reason, reject.content) for block in found for reject in block.rejects]


SPARK = 'source,target\n"say \\"red small\\"",small red\nplain,x\n"a, b",y\n'


def test_text_behind_a_closing_quote_is_a_reject_with_the_quotes_that_it_had(tmp_path):
    rows, rejects = rows_of(tmp_path, SPARK)
    assert rows == {2: ("plain", "x"), 3: ("a, b", "y")}
    assert [reject[:2] for reject in rejects] == [(1, "quote")]
    assert '\\"red small' in rejects[0][2].replace("\\\\", "\\").replace('\\"', '\\"')


def test_an_escape_that_is_said_makes_quotes_content(tmp_path):
    rows, rejects = rows_of(tmp_path, SPARK, escape="\\")
    assert rows == {1: ('say "red small"', "small red"), 2: ("plain", "x"), 3: ("a, b", "y")}
    assert rejects == []


def test_a_misplaced_quote_that_moves_a_delimiter_has_the_same_reason(tmp_path):
    rows, rejects = rows_of(tmp_path, 'source,target\n"a" b, "c",x\nd,y\n')
    assert rows == {2: ("d", "y")}
    assert [reject[:2] for reject in rejects] == [(1, "quote")]


@pytest.mark.parametrize(
    "text",
    [
        'a,5" pipe\nb,3" by 4"\n',
        '"a ""b"" c",""\n"""x""","y"""\n',
        '"a\nb","c,d"\r\n"",""\r\n',
        "it's,o\"clock\n",
        '"a"\n',
    ],
)
def test_quotes_in_their_places_are_not_marked(text):
    for size in range(1, len(text) + 1):
        marker = QuoteMarker(",", '"')
        data = text.encode()
        pieces = [marker.mark(data[at : at + size], at_end=False) for at in range(0, len(data), size)]
        assert b"".join([*pieces, marker.mark(b"", at_end=True)]) == data
        assert not marker.has_marks


@pytest.mark.seconds
@settings(max_examples=300, deadline=None)
@given(st.text('a",\n', max_size=24), st.integers(1, 8))
def test_a_field_is_marked_wherever_pythons_strict_reader_refuses_it(text, size):
    marker = QuoteMarker(",", '"')
    data = text.encode()
    pieces = [marker.mark(data[at : at + size], at_end=False) for at in range(0, len(data), size)]
    marked = b"".join([*pieces, marker.mark(b"", at_end=True)]).decode()
    assert pa.compute.replace_substring_regex(pa.array([marked]), MARKS, "")[0].as_py() == text
    assert marker.has_marks == ("expected after" in strict_fault(text))


def strict_fault(text):
    try:
        list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except csv.Error as error:
        return str(error)
    return ""
