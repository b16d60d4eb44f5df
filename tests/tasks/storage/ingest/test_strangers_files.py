"""Files of the shapes that public ones have, made into datasets: the right values, or a refusal that says what to do."""

import gzip
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.seq2seq.data.vocabulary import Vocabulary
from tasks.seq2seq.errors import DataError
from tasks.seq2seq.settings.data import FilesData
from tasks.storage.artifacts.dataset import read_codecs
from tasks.storage.ingest.pairs import ingest_pairs
from tests.helpers.settled import SETTLED

N = 40


@pytest.fixture
def ingest(tmp_path):
    """Makes a dataset of a file; gives the sources of training and test, and the reasons of rejects."""

    def ingest_file(path, **settings):
        folder = tmp_path / f"dataset-{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        ingest_pairs(FilesData(train=path, validation_fraction=0.2, test_fraction=0.2, **settings), 0, folder)
        codec = read_codecs(folder).source
        rows = pq.read_table(folder / "train.parquet").column("source").to_pylist()
        found = [codec.decode(np.array(row, np.int32)) for row in rows] if isinstance(codec, Vocabulary) else rows
        test = pq.read_table(folder / "test.parquet").column("source").to_pylist()
        rejects = pq.read_table(folder / "rejects.parquet").column("reason").to_pylist()
        return found, test, rejects

    return ingest_file


def written(path, head, rows):
    path.write_text(head + "".join(rows))
    return path


def refusal(ingest, path, **settings):
    with pytest.raises(DataError) as refused:
        ingest(path, **settings)
    return str(refused.value)


def test_nested_vectors_of_a_csv_are_those_of_the_same_json_lines(tmp_path, ingest):
    rows = [[[i + 0.5, 84.7], [0.7, i]] for i in range(N)]
    comma = written(tmp_path / "a.csv", "source,target\n", [f'"{row}","{row[:1]}"\n' for row in rows])
    lines = written(tmp_path / "b.jsonl", "", [json.dumps({"source": row, "target": row[:1]}) + "\n" for row in rows])
    settings = {"source_encoding": "vectors", "target_encoding": "vectors"}
    assert ingest(comma, **settings) == ingest(lines, **settings)
    assert np.shape(ingest(comma, **settings)[1])[1:] == (2, 2)


def test_decimal_commas_are_refused_with_their_setting_and_read_with_it(tmp_path, ingest):
    rows = [f"{i},44 84,74;{i}\n" for i in range(N)]
    path = written(tmp_path / "a.csv", "source;target\n", rows)
    settings = {"source_encoding": "vectors", "delimiter": ";"}
    message = refusal(ingest, path, **settings)
    assert 'data.decimal = ","' in message
    assert "source_unclear_comma" in message
    _, test, rejects = ingest(path, decimal=",", **settings)
    assert rejects == []
    assert np.allclose(np.array(test)[:, 1], 84.74)


def test_groups_of_thousands_likewise(tmp_path, ingest):
    path = written(tmp_path / "a.csv", "source,target\n", [f'"{i + 1},234 56",{i}\n' for i in range(N)])
    assert 'data.thousands = ","' in refusal(ingest, path)
    found, _, rejects = ingest(path, thousands=",")
    assert rejects == []
    assert all(row[0] % 1000 == 234 and row[1] == 56 for row in found)


def test_backslashes_before_quotes_likewise(tmp_path, ingest):
    rows = [f'"say \\"red {i}\\"",small red\n' for i in range(N)]
    path = written(tmp_path / "a.csv", "source,target\n", rows)
    settings = {"source_encoding": "characters", "target_encoding": "words"}
    assert 'data.escape = "\\\\"' in refusal(ingest, path, **settings)
    found, _, rejects = ingest(path, escape="\\", **settings)
    assert rejects == []
    assert all("".join(row).startswith('say "red ') and row[-1] == '"' for row in found)


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a.jsonl"])
def test_another_encoding_of_bytes_likewise(tmp_path, ingest, name):
    pairs = [(f"caf\u00e9 {i}", f"na\u00efve {i % 3}") for i in range(N)]
    if "csv" in name:
        text = "source,target\n" + "".join(f"{a},{b}\n" for a, b in pairs)
    else:
        text = "".join(json.dumps({"source": a, "target": b}, ensure_ascii=False) + "\n" for a, b in pairs)
    data = text.encode("cp1252")
    (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith("gz") else data)
    settings = {"source_encoding": "words", "target_encoding": "words"}
    assert 'data.encoding = "cp1252"' in refusal(ingest, tmp_path / name, **settings)
    found, _, rejects = ingest(tmp_path / name, encoding="cp1252", **settings)
    assert rejects == []
    assert all(row[0] == "caf\u00e9" for row in found)


def test_an_encoding_of_bytes_where_that_of_values_belongs_is_answered_with_its_setting(tmp_path):
    with pytest.raises(ValueError, match=r"set data\.encoding = 'cp1252'"):
        FilesData(train=tmp_path, source_encoding="cp1252")


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_long_ids_and_text_that_means_lists_are_integers_in_every_format(tmp_path, ingest, form):
    texts = [f"[{1266048805884119571 + i}, 0000000000000000001, -{i}]" for i in range(N)]
    table = pa.table({"source": texts, "target": [str(i) for i in range(N)]})
    path = tmp_path / f"a.{form}"
    if form == "parquet":
        pq.write_table(table, path)
    elif form == "csv":
        written(path, "source,target\n", [f'"{row["source"]}",{row["target"]}\n' for row in table.to_pylist()])
    else:
        written(path, "", [json.dumps(row) + "\n" for row in table.to_pylist()])
    found, _, rejects = ingest(path)
    assert rejects == []
    assert all(row[0] >= 1266048805884119571 and row[1] == 1 for row in found)


def test_a_number_that_64_bits_do_not_hold_is_a_reject_by_that_name(tmp_path, ingest):
    rows = [f"{i} {i},{i}\n" for i in range(N)]
    path = written(tmp_path / "a.csv", "source,target\n", [*rows, f"{2**63},1\n"])
    assert ingest(path, max_reject_rate=0.1)[2] == ["source_integer_range"]


def test_pairs_within_a_structure_are_reached_by_path(tmp_path, ingest):
    rows = [{"id": i, "translation": {"en": f"the {i}", "de": f"das {i}"}} for i in range(N)]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    settings = {"source_encoding": "words", "target_encoding": "words"}
    found, _, _ = ingest(tmp_path / "a.parquet", source="translation.en", target="translation.de", **settings)
    assert all(row[0] == "the" for row in found)


def test_padded_arrays_are_sequences_of_their_own_length(tmp_path, ingest):
    source = np.zeros((N, 6), int)
    for i in range(N):
        source[i, : i % 5 + 1] = i + 1
    np.savez(tmp_path / "a.npz", source=source, target=np.arange(N))
    found, _, _ = ingest(tmp_path / "a.npz", padding_value=0)
    assert {len(row) for row in found} == {1, 2, 3, 4, 5}
    assert all(0 not in row for row in found)


def test_markers_of_missing_values_are_rejects_as_nulls_are(tmp_path, ingest):
    rows = [f"{i} {i},{i}\n" for i in range(N)]
    path = written(tmp_path / "a.csv", "source,target\n", [*rows, "?,1\n", "1 ? 2,1\n", "3,-200\n"])
    assert 'data.missing = "?"' in refusal(ingest, path)
    _, _, rejects = ingest(path, missing="?,-200", max_reject_rate=0.1)
    assert rejects == ["source_null", "source_null_inside", "target_null"]


@pytest.mark.parametrize("nulls", [pa.nulls(5), pa.array([[None]] * 5), pa.array([None] * 5, pa.list_(pa.float64()))])
def test_a_day_of_nulls_in_a_folder_does_not_end_the_run(tmp_path, ingest, nulls):
    (tmp_path / "in").mkdir()
    target = pa.array([[float(i), 1.0] for i in range(95)])
    pq.write_table(pa.table({"source": target, "target": target}), tmp_path / "in" / "a.parquet")
    pq.write_table(pa.table({"source": target.slice(0, 5), "target": nulls}), tmp_path / "in" / "b.parquet")
    settings = {"source_encoding": "vectors", "target_encoding": "vectors", "max_reject_rate": 0.1, **SETTLED}
    _, _, rejects = ingest(tmp_path / "in", **settings)
    assert len(rejects) == 5
    assert all(reason.startswith("target_null") for reason in rejects)
