"""What each format gives of each type of column for each encoding: read for real, and written as the page shows it.

`python -m tests.helpers.own_data_matrix` writes the tables of docs/own-data.md anew.
"""

from __future__ import annotations

import datetime as dt
import gzip
import json
import re
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tasks.seq2seq.errors import DataError
from tasks.seq2seq.settings.dialect import Dialect
from tasks.storage.files.inputs import LOCAL, InputFile
from tasks.storage.ingest.columns import to_column
from tasks.storage.ingest.reasons import REASONS
from tasks.storage.readers.blocks import Layout
from tasks.storage.readers.user_files import check_input, read_blocks

ENCODINGS = ("integers", "vectors", "words", "characters")
FORMATS = ("parquet", "arrow", "csv", "tsv", "jsonl", "npz")
REFUSED = "refused"

Steps = list[Any]


@dataclass(frozen=True)
class Holds:
    """What a column holds, as each format has it, and the sequences that it is by encoding.

    Args:
        text: in words, for the page.
        arrow: for Parquet and Arrow.
        lines: for JSON lines; None where JSON has no such values.
        cells: for CSV and TSV; None where it is not text there.
        array: for npz; None where it has no such array.
        read: the sequences of the rows, by the encodings that read it.
    """

    text: str
    arrow: pa.Array
    lines: list[Any] | None
    cells: list[str] | None
    array: np.ndarray | None
    read: dict[str, list[Steps]] = field(default_factory=dict)


def _numbers(rows: list[Steps]) -> dict[str, list[Steps]]:
    return {"integers": rows, "vectors": [[[float(step)] for step in row] for row in rows]}


_DAY = dt.date(2024, 2, 3)
HOLDS = (
    Holds(
        "lists of integers",
        pa.array([[1, 2], [-3, 4]]),
        [[1, 2], [-3, 4]],
        None,
        np.array([[1, 2], [-3, 4]]),
        _numbers([[1, 2], [-3, 4]]),
    ),
    Holds("an integer a row", pa.array([1, -2]), [1, -2], ["1", "-2"], np.array([1, -2]), _numbers([[1], [-2]])),
    Holds(
        "text that means integers, `[1, 2]` or `1 2`",
        pa.array(["[1, 2]", "3 4"]),
        ["[1, 2]", "3 4"],
        ["[1, 2]", "3 4"],
        np.array(["[1, 2]", "3 4"]),
        {
            **_numbers([[1, 2], [3, 4]]),
            "words": [["[1,", "2]"], ["3", "4"]],
            "characters": [list("[1, 2]"), list("3 4")],
        },
    ),
    Holds(
        "lists of real numbers",
        pa.array([[0.5, 2.0], [1.5]]),
        [[0.5, 2.0], [1.5]],
        None,
        None,
        {"vectors": [[[0.5], [2.0]], [[1.5]]]},
    ),
    Holds(
        "a real number a row",
        pa.array([0.5, -1e300]),
        [0.5, -1e300],
        ["0.5", "-1e300"],
        np.array([0.5, -1e300]),
        {"vectors": [[[0.5]], [[-1e300]]]},
    ),
    Holds(
        "lists of lists of numbers",
        pa.array([[[0.5, 1.0], [2.0, 3.0]], [[4.0, 5.0]]]),
        [[[0.5, 1], [2, 3]], [[4, 5]]],
        None,
        None,
        {"vectors": [[[0.5, 1.0], [2.0, 3.0]], [[4.0, 5.0]]]},
    ),
    Holds(
        "text that means those, `[[0.5, 1], [2, 3]]`",
        pa.array(["[[0.5, 1], [2, 3]]", "[[4, 5]]"]),
        ["[[0.5, 1], [2, 3]]", "[[4, 5]]"],
        ["[[0.5, 1], [2, 3]]", "[[4, 5]]"],
        np.array(["[[0.5, 1], [2, 3]]", "[[4, 5]]"]),
        {
            "vectors": [[[0.5, 1.0], [2.0, 3.0]], [[4.0, 5.0]]],
            "words": [["[[0.5,", "1],", "[2,", "3]]"], ["[[4,", "5]]"]],
            "characters": [list("[[0.5, 1], [2, 3]]"), list("[[4, 5]]")],
        },
    ),
    Holds(
        "text",
        pa.array(["two words", "é"]),
        ["two words", "é"],
        ["two words", "é"],
        np.array(["two words", "é"]),
        {"words": [["two", "words"], ["é"]], "characters": [list("two words"), ["é"]]},
    ),
    Holds(
        "lists of strings",
        pa.array([["new york", "b"], ["c"]]),
        [["new york", "b"], ["c"]],
        None,
        None,
        {"words": [["new york", "b"], ["c"]]},
    ),
    Holds(
        'text that is a JSON list of strings, `["a b", "c"]`',
        pa.array(['["a b", "c"]']),
        ['["a b", "c"]'],
        ['["a b", "c"]'],
        np.array(['["a b", "c"]']),
        {"words": [["a b", "c"]], "characters": [list('["a b", "c"]')]},
    ),
    Holds(
        "dictionaries of text",
        pa.array(["a", "b"]).dictionary_encode(),
        None,
        None,
        None,
        {"words": [["a"], ["b"]], "characters": [["a"], ["b"]]},
    ),
    Holds(
        "true or false, or lists of them",
        pa.array([[True, False], [True]]),
        [[True, False], [True]],
        None,
        np.array([[True, False]]),
        _numbers([[1, 0], [1]]),
    ),
    Holds(
        "decimals",
        pa.array([Decimal("7.00"), Decimal("-2.00")]),
        None,
        None,
        None,
        _numbers([[7], [-2]]),
    ),
    Holds(
        "integers from -2^63 to 2^63-1",
        pa.array([2**63 - 1, -(2**63)]),
        [2**63 - 1, -(2**63)],
        [f"0{2**63 - 1}", str(-(2**63))],
        np.array([2**63 - 1, -(2**63)]),
        _numbers([[2**63 - 1], [-(2**63)]]),
    ),
    Holds(
        "larger integers",
        pa.array([2**63, 2**64 - 1], pa.uint64()),
        [2**63, 2**64 - 1],
        [str(2**63), str(2**64 - 1)],
        np.array([2**63, 2**64 - 1], np.uint64),
        {"vectors": [[[float(2**63)]], [[float(2**64)]]]},
    ),
    Holds("nothing but nulls", pa.nulls(2), [None, None], None, None),
    Holds("lists of nulls", pa.array([[None], [None]]), [[None], [None]], None, None),
    Holds(
        "NaN and infinities",
        pa.array([float("nan"), float("inf")]),
        [float("nan"), float("inf")],
        ["nan", "inf"],
        np.array([np.nan, np.inf]),
    ),
    Holds("dates and times", pa.array([_DAY]), None, None, np.array(["2024-02-03"], "M8[D]")),
    Holds("bytes", pa.array([b"a"]), None, None, np.array([b"a"])),
    Holds("structures", pa.array([{"a": 1}]), [{"a": 1}], None, None),
)


def write(folder: Path, form: str, holds: Holds) -> Path | None:
    """A file of this format whose column `source` holds that; None where the format has no such column."""
    path = folder / f"a.{form}"
    n = len(holds.arrow)
    if form in ("parquet", "arrow"):
        table = pa.table({"source": holds.arrow, "target": ["x"] * n})
        if form == "parquet":
            pq.write_table(table, path)
        else:
            with pa.ipc.new_file(path, table.schema) as writer:
                writer.write_table(table)
    elif form in ("csv", "tsv"):
        if holds.cells is None:
            return None
        mark = "," if form == "csv" else "\t"
        cells = ['"' + cell.replace('"', '""') + '"' if form == "csv" else cell for cell in holds.cells]
        path.write_text(f"source{mark}target\n" + "".join(f"{cell}{mark}x\n" for cell in cells))
    elif form == "jsonl":
        if holds.lines is None:
            return None
        path.write_text("".join(json.dumps({"source": value, "target": "x"}) + "\n" for value in holds.lines))
    else:
        if holds.array is None:
            return None
        np.savez(path, source=holds.array, target=np.array(["x"] * len(holds.array)))
    return path


def read(path: Path, encoding: str, dialect: Dialect | None = None) -> tuple[list[Steps], list[str]]:
    """The sequences of a file's usable rows, and the reasons of the others.

    Raises:
        DataError: the file is refused.
    """
    layout = Layout(("source", "target"), (encoding, "characters"), dialect=dialect or Dialect())  # type: ignore[arg-type]
    file = InputFile(str(path), LOCAL)
    check_input(file, layout)
    found, reasons = [], []
    for block in read_blocks(file, layout):
        column = to_column(block.table.column(0), encoding, dialect=block.dialect)
        values = column.steps.values.tolist()
        values = [column.words[i] for i in values] if column.words is not None else values
        values = list(map(chr, values)) if encoding == "characters" else values
        for i, reason in enumerate(column.reasons.tolist()):
            if reason:
                reasons.append(f"source_{REASONS[reason]}")
            else:
                found.append(values[column.steps.offsets[i] : column.steps.offsets[i + 1]])
        reasons += [reject.reason for reject in block.rejects]
    return found, reasons


def outcome(path: Path, encoding: str, dialect: Dialect | None = None) -> str:
    """`read`, or the reasons of the rows that cannot be, or `refused`."""
    try:
        _, reasons = read(path, encoding, dialect)
    except DataError:
        return REFUSED
    return ", ".join(f"`{reason}`" for reason in dict.fromkeys(reasons)) or "read"


@dataclass(frozen=True)
class Fault:
    """Something that is wrong with a file, by the formats that can have it, and the setting that reads it, if any."""

    text: str
    contents: dict[str, bytes]
    encoding: str = "words"
    dialect: Dialect | None = None
    setting: str = ""


def _rows(form: str, rows: Iterable[tuple[str, str]]) -> str:
    if form == "jsonl":
        return "".join(json.dumps({"source": a, "target": b}, ensure_ascii=False) + "\n" for a, b in rows)
    mark = "," if form == "csv" else "\t"
    return "".join(f"{a}{mark}{b}\n" for a, b in [("source", "target"), *rows])


def _text(rows: Iterable[tuple[str, str]], forms: Iterable[str], change: Callable[[str], bytes]) -> dict[str, bytes]:
    rows = list(rows)
    return {form: change(_rows(form, rows)) for form in forms}


_TEXT = ("csv", "tsv", "jsonl")
_PLAIN = [("a b", "x"), ("c d", "y")]
FAULTS = (
    Fault(
        "bytes that are not UTF-8",
        _text([("café", "x"), ("b", "y")], _TEXT, lambda text: text.encode("cp1252")),
        dialect=Dialect(encoding="cp1252"),
        setting='`data.encoding = "cp1252"`',
    ),
    Fault(
        "UTF-16",
        _text(_PLAIN, _TEXT, lambda text: text.encode("utf-16")),
        dialect=Dialect(encoding="utf-16"),
        setting='`data.encoding = "utf-16"`',
    ),
    Fault(
        "text behind a closing quote",
        {"csv": b'source,target\n"say \\"red\\"",x\nb,y\n'},
        dialect=Dialect(escape="\\"),
        setting='`data.escape = "\\\\"`',
    ),
    Fault("a quote that is never closed", {"csv": b'source,target\n"a,x\nb,y\n'}, setting="", dialect=None),
    Fault("another number of fields", {"csv": b"source,target\na,x\nb\n", "tsv": b"source\ttarget\na\tx\nb\ty\tz\n"}),
    Fault(
        "commas inside numbers",
        {
            "csv": b"source;target\n13,44 84,74;x\n",
            "tsv": b"source\ttarget\n1,5\tx\n",
            "jsonl": b'{"source": "1,5 2,5", "target": "x"}\n',
        },
        encoding="vectors",
        dialect=Dialect(decimal=","),
        setting='`data.decimal = ","`',
    ),
    Fault(
        "groups of thousands",
        {
            "csv": b'source,target\n"1,234 56",x\n',
            "tsv": b"source\ttarget\n1,234\tx\n",
            "jsonl": b'{"source": "1,234 5", "target": "x"}\n',
        },
        encoding="integers",
        dialect=Dialect(thousands=","),
        setting='`data.thousands = ","`',
    ),
    Fault(
        "brackets that do not fit",
        _text([("1]2[3", "x"), ("[1][2]", "y")], _TEXT, str.encode),
        encoding="integers",
    ),
    Fault("a line that is not an object", {"jsonl": b'{"source": "a", "target": "x"}\n[1]\n'}),
    Fault("a list over many lines", {"jsonl": b'[\n{"source": "a", "target": "x"}\n]\n'}),
    Fault("no rows", {"csv": b"source,target\n", "tsv": b"source\ttarget\n", "jsonl": b"\n"}),
    Fault(
        "cut short",
        {"csv": gzip.compress(b"source,target\na,x\n" * 99)[:40], "jsonl": gzip.compress(b"{}\n" * 99)[:20]},
    ),
)


def write_fault(folder: Path, form: str, content: bytes) -> Path:
    """A file of the fault; compressed by its bytes."""
    is_compressed = content.startswith(b"\x1f\x8b")
    path = folder / (f"a.{form}.gz" if is_compressed else f"a.{form}")
    path.write_bytes(content)
    return path


@cache
def tables() -> str:
    """Both tables of the page."""
    with tempfile.TemporaryDirectory() as folder:
        return f"{_types(Path(folder))}\n{_faults(Path(folder))}"


def _types(folder: Path) -> str:
    lines = ["| a column of | " + " | ".join(f"`{name}`" for name in ENCODINGS) + " | stands in |"]
    lines.append("|---" * (len(ENCODINGS) + 2) + "|")
    for holds in HOLDS:
        paths = {form: write(folder, form, holds) for form in FORMATS}
        there = {form: path for form, path in paths.items() if path is not None}
        cells = [_joined({form: outcome(path, encoding) for form, path in there.items()}) for encoding in ENCODINGS]
        lines.append(f"| {holds.text} | {' | '.join(cells)} | {', '.join(there)} |")
    return "\n".join(lines) + "\n"


def _faults(folder: Path) -> str:
    lines = ["| a file with | " + " | ".join(_TEXT) + " | the setting that reads it |", "|---" * (len(_TEXT) + 2) + "|"]
    for fault in FAULTS:
        cells = []
        for form in _TEXT:
            content = fault.contents.get(form)
            base = Dialect(delimiter=";") if content is not None and content.startswith(b"source;") else None
            cells.append("" if content is None else outcome(write_fault(folder, form, content), fault.encoding, base))
        lines.append(f"| {fault.text} | {' | '.join(cells)} | {fault.setting} |")
    return "\n".join(lines) + "\n"


def _joined(outcomes: dict[str, str]) -> str:
    """One outcome for all formats, or those of which formats."""
    if len(set(outcomes.values())) == 1:
        return next(iter(outcomes.values()))
    groups: dict[str, list[str]] = {}
    for form, found in outcomes.items():
        groups.setdefault(found, []).append(form)
    return "; ".join(f"{', '.join(forms)}: {found}" for found, forms in groups.items())


PAGE = Path(__file__).parents[2] / "docs" / "own-data.md"
_AROUND = re.compile(r"(<!-- matrix: .* -->\n)(.*?)(<!-- end of matrix -->)", re.DOTALL)


def on_page() -> str:
    """The tables as the page has them."""
    found = _AROUND.search(PAGE.read_text())
    assert found is not None
    return found[2]


if __name__ == "__main__":
    PAGE.write_text(_AROUND.sub(lambda found: f"{found[1]}{tables()}{found[3]}", PAGE.read_text()))
