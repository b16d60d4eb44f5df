"""A folder of files of all formats, broken ones among them, and what each row of it must come to."""

import gzip
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tests.helpers.batch_models import LONGEST, integer_pairs
from tests.helpers.settled import make_old


def records(n, seed, first=0):
    """Rows of a number, a source, and the source reversed."""
    sources, targets = integer_pairs(n, seed)
    return [
        {"id": first + i, "source": source, "target": target}
        for i, (source, target) in enumerate(zip(sources, targets, strict=True))
    ]


def as_text(rows):
    """The rows as a file of text has them."""
    return [{name: value if isinstance(value, str) else _text(value) for name, value in row.items()} for row in rows]


def _text(value):
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def _lines(rows, mark):
    return "".join(f"{mark.join(line)}\n" for line in [rows[0], *(row.values() for row in as_text(rows))]).encode()


def _json_lines(rows):
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def _zstd(content):
    return pa.compress(content, codec="zstd", asbytes=True)


def _arrow(path, rows):
    table = pa.Table.from_pylist(rows)
    with pa.ipc.new_file(path, table.schema) as writer:
        writer.write_table(table, max_chunksize=40)


SCHEMA = pa.schema([("id", pa.int64()), ("source", pa.list_(pa.int64())), ("target", pa.list_(pa.int64()))])


def write_files(folder, scale=1):
    """Writes the files.

    Returns:
        Of each that can be read, by its name below the folder, its rows in order: a dict of the columns as they are,
        or the reason of its reject; and of each that cannot, what is said of it.
    """
    for below in ("sub/deep", "north"):
        (folder / below).mkdir(parents=True)
    good = {}
    for seed, name in enumerate(("a.parquet", "north/b.parquet", "c.arrow", "sub/d.feather")):
        good[name] = records(150 * scale, seed)
        if name.endswith("parquet"):
            pq.write_table(pa.Table.from_pylist(good[name]), folder / name, row_group_size=70)
        else:
            _arrow(folder / name, good[name])
    texts: dict[str, Callable[[Any], bytes]] = {
        "e.csv": lambda rows: _lines(rows, ","), "sub/f.tsv": lambda rows: _lines(rows, "\t"),
        "north/g.csv.gz": lambda rows: gzip.compress(_lines(rows, ",")),
        "sub/deep/h.tsv.zst": lambda rows: _zstd(_lines(rows, "\t")),
    }  # fmt: skip
    for seed, (name, make) in enumerate(texts.items(), 10):
        rows = records(120 * scale, seed)
        (folder / name).write_bytes(make(rows))
        good[name] = as_text(rows)
    objects: dict[str, Callable[[bytes], bytes]] = {
        "i.jsonl": bytes, "sub/j.ndjson.gz": gzip.compress, "k.jsonl.zst": _zstd,
    }  # fmt: skip
    for seed, (name, make) in enumerate(objects.items(), 20):
        good[name] = records(100 * scale, seed)
        (folder / name).write_bytes(make(_json_lines(good[name])))
    sources = np.array([row["source"] for row in records(400, 30) if len(row["source"]) == 4])
    np.savez(folder / "l.npz", source=sources, id=np.arange(len(sources)))
    good["l.npz"] = [{"source": source, "id": i} for i, source in enumerate(sources.tolist())]
    good["m.csv"] = [{"text": 'one,"two"\nthree', "source": "1 2"}, {"text": "ü", "source": "3"}]
    (folder / "m.csv").write_text('text,source\r\n"one,""two""\nthree",1 2\r\nü,3\r\n', encoding="utf-8", newline="")
    good |= _rejected(folder)
    broken = _broken(folder)
    for path in folder.rglob("*"):
        make_old(path)
    return good, broken


def _rejected(folder):
    good: dict[str, list[Any]] = {}
    lines = {
        b"0,1 2,1": {"id": "0", "source": "1 2", "target": "1"},
        b"1,,1": "source_empty",
        b"2,x y,1": "source_type",
        b"3,1.5,1": "source_type",
        b"4,1 2": "columns",
        b"5,1 2,3,4": "columns",
        b"6,1 \xff,3": "invalid_utf8",
        b"7," + b"1 " * (LONGEST + 1) + b",3": "source_too_long",
        b"8,5,no target": {"id": "8", "source": "5", "target": "no target"},
    }
    (folder / "n.csv").write_bytes(b"id,source,target\n" + b"\n".join(lines))
    good["n.csv"] = [*lines.values()]
    rows = {
        '{"id": 0, "source": [1, 2], "target": [2, 1]}': {"id": 0, "source": [1, 2], "target": [2, 1]},
        '{"id": 1, "source": [1, ': "json",
        "[1, 2]": "json",
        '{"id": 3}': "source_null",
        '{"id": 4, "source": [], "target": [1]}': "source_empty",
        '{"id": 5, "source": [1, null], "target": [1]}': "source_null_inside",
        '{"id": 6, "source": [3], "target": null}': {"id": 6, "source": [3], "target": None},
    }
    (folder / "sub" / "o.jsonl").write_text("\n".join(rows))
    good["sub/o.jsonl"] = [*rows.values()]
    table = [
        {"id": 0, "source": None, "target": [1]}, {"id": 1, "source": [4, 4], "target": [1]},
        {"id": 2, "source": [1, None], "target": []}, {"id": 3, "source": [], "target": None},
        {"id": 4, "source": [1] * 9, "target": [1]}, {"id": 5, "source": [77], "target": [1, None]},
    ]  # fmt: skip
    pq.write_table(pa.Table.from_pylist(table, schema=SCHEMA), folder / "p.parquet", row_group_size=2)
    good["p.parquet"] = ["source_null", table[1], "source_null_inside", "source_empty", "source_too_long", table[5]]
    return good


def _broken(folder):
    pq.write_table(pa.table({"source": [[1, 2]] * 1000}), folder / "sub" / "cut.parquet")
    (folder / "sub" / "cut.parquet").write_bytes((folder / "sub" / "cut.parquet").read_bytes()[:-30])
    (folder / "empty.csv").write_bytes(b"")
    (folder / "quote.csv").write_text("id,source\n" + "1,2\n" * 500 + '2,"3\n4,5\n')
    (folder / "utf16.csv").write_bytes("id,source\n1,2\n".encode("utf-16"))
    (folder / "other.csv").write_text("id,question\n1,2\n")
    (folder / "short.csv.gz").write_bytes(gzip.compress(_lines(records(4000, 1), ","))[:-300])
    pq.write_table(pa.table({"source": [[1, 2], [3]], "prediction": [1, 2]}), folder / "clash.parquet")
    return {
        "sub/cut.parquet": "is it cut short",
        "empty.csv": "is empty (0 bytes)",
        "quote.csv": "a quote is opened in row 501 and never closed",
        "utf16.csv": "set --encoding utf-16",
        "other.csv": "column 'source' is not there",
        "short.csv.gz": "breaks off or is damaged after row",
        "clash.parquet": "'prediction'",
    }
