"""Weights of pairs: a column of the user's files that follows its rows into the dataset."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.seq2seq.errors import DataError
from tasks.seq2seq.settings.data import FilesData
from tasks.seq2seq.training.bucketing import batches_of
from tasks.storage.artifacts.dataset import has_weights, read_codecs, read_pairs
from tasks.storage.files.json_files import load_json
from tasks.storage.ingest.pair_reading import pair_layout
from tasks.storage.ingest.pairs import ingest_pairs
from tasks.storage.readers.inputs import list_inputs
from tasks.storage.readers.user_files import check_input
from tests.helpers.codecs import as_vocabulary

# Row i is [i], [i % 7] with the weight i / 4: what a row weighs can be told from its source.
ROWS = [(i, i % 7, i / 4) for i in range(300)]


def write_parquet(path, rows=ROWS, weights=None):
    source, target = ([[row[side]] for row in rows] for side in (0, 1))
    weights = pa.array([row[2] for row in rows]) if weights is None else weights
    pq.write_table(pa.table({"source": source, "target": target, "w": weights}), path)


def write_arrow(path):
    write_parquet(path.with_suffix(".parquet"))
    table = pq.read_table(path.with_suffix(".parquet"))
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)


def write_text(path, mark, header):
    lines = [mark.join(map(str, row)) for row in ROWS]
    path.write_text("".join(f"{line}\n" for line in ([mark.join(header)] if header else []) + lines))


def write_json_lines(path):
    path.write_text("".join(json.dumps({"source": [a], "target": b, "w": w}) + "\n" for a, b, w in ROWS))


def write_npz(path):
    a, b, w = (np.array(column) for column in zip(*ROWS, strict=True))
    np.savez(path, source=a[:, None], target=b[:, None], w=w.astype(np.float32))


FORMATS: dict[str, tuple[Callable[[Path], None], dict[str, Any]]] = {
    "a.parquet": (write_parquet, {"weight": "w"}),
    "a.arrow": (write_arrow, {"weight": "w"}),
    "a.csv": (lambda path: write_text(path, ",", ("source", "target", "w")), {"weight": "w"}),
    "a.tsv": (lambda path: write_text(path, "\t", None), {"weight": "2", "header": False}),
    "a.jsonl": (write_json_lines, {"weight": "w"}),
    "a.npz": (write_npz, {"weight": "w"}),
}


@pytest.fixture
def ingest(tmp_path):
    """Makes a dataset of files, and gives its folder."""

    def ingest_files(train, **settings):
        folder = tmp_path / f"dataset{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        ingest_pairs(FilesData(train=train, **settings), 0, folder)
        return folder

    return ingest_files


def stored(folder, split):
    """What each source of a split weighs, in the order of the file."""
    vocabulary, rows = as_vocabulary(read_codecs(folder).source), pq.read_table(folder / f"{split}.parquet").to_pylist()
    return {vocabulary.decode(np.array(row["source"]))[0]: row["weight"] for row in rows}


@pytest.mark.parametrize("name", FORMATS)
def test_each_format_gives_each_row_its_weight_over_the_mean_one_of_training(tmp_path, ingest, name):
    write, settings = FORMATS[name]
    write(tmp_path / name)
    folder = ingest(tmp_path / name, unknown="keep", **settings)
    train = stored(folder, "train")
    mean = np.mean([i / 4 for i in train])
    assert len(train) > 200
    assert train == pytest.approx({i: i / 4 / mean for i in train})
    # Sources of validation are unknown here, but a source alone tells what it weighs.
    weights = pq.read_table(folder / "validation.parquet")["weight"].to_numpy() * mean * 4
    assert set(np.round(weights, 6)) <= set(range(300)) - set(train)
    assert pq.read_table(folder / "test.parquet").column_names == ["source", "target", "file", "row", "source_hash"]


def test_weights_stay_with_their_pairs_when_these_are_shuffled(tmp_path, ingest, monkeypatch):
    monkeypatch.setattr("tasks.storage.artifacts.dataset.ROW_GROUP_ROWS", 16)
    write_parquet(tmp_path / "a.parquet")
    folder = ingest(tmp_path / "a.parquet", weight="w")
    expected, vocabulary = stored(folder, "train"), as_vocabulary(read_codecs(folder).source)
    rng = np.random.default_rng(0)
    seen = {}
    for batch in batches_of(read_pairs(folder / "train.parquet", rng), 8, rng):
        seen |= dict(zip(vocabulary.decode(batch.source.padded()[:, 0]), batch.weights.tolist(), strict=True))
    assert list(seen) != list(expected)
    assert seen == expected


@pytest.mark.parametrize(
    ("weights", "reasons"),
    [
        (["", "1 2", "x", "nan", "-inf", "-0.5", "1e300"], ["null", "type", "type", *["not_finite"] * 2, "negative", "not_finite"]),
        ([None, "x", {}, [1], -3, 10**400, {}], ["null", "type", "type", "type", "negative", "type", "type"]),
    ],
    ids=["text", "JSON"],
)  # fmt: skip
def test_a_row_with_a_bad_weight_is_rejected_with_the_reason(tmp_path, ingest, weights, reasons):
    rows = [(a, b, 1) for a, b, _ in ROWS]
    if reasons[1:4] == ["type"] * 3:
        path = tmp_path / "a.jsonl"
        lines = [json.dumps({"source": [a], "target": b, "w": w}) for a, b, w in rows]
        lines[:7] = [json.dumps({"source": [1], "target": 1, "w": weight}) for weight in weights]
        path.write_text("\n".join(lines))
    else:
        path = tmp_path / "a.csv"
        lines = [f"{a},{b},{w}" for a, b, w in rows]
        lines[:7] = [f"1,1,{weight}" for weight in weights]
        path.write_text("source,target,w\n" + "\n".join(lines))
    rejects = pq.read_table(ingest(path, weight="w", max_reject_rate=0.5) / "rejects.parquet").to_pylist()
    assert [(row["row"], row["reason"]) for row in rejects] == [(i + 1, f"weight_{r}") for i, r in enumerate(reasons)]
    with pytest.raises(DataError, match=r"7 of 300 rows cannot be used(?s:.*)  1  weight_null"):
        ingest(path, weight="w")


def test_a_row_with_several_faults_is_rejected_for_the_first_column(tmp_path, ingest):
    path = tmp_path / "a.csv"
    path.write_text("source,target,w\n,,\nx,1,-1\n1,,-1\n" + "".join(f"{a},{b},{w}\n" for a, b, w in ROWS))
    rejects = pq.read_table(ingest(path, weight="w", max_reject_rate=0.5) / "rejects.parquet").to_pylist()
    assert [row["reason"] for row in rejects] == ["source_empty", "source_type", "target_empty"]


@pytest.mark.parametrize("kind", [pa.binary(), pa.list_(pa.float64()), pa.date32()])
def test_a_column_that_is_missing_or_holds_no_numbers_is_a_fault_of_the_file(tmp_path, kind):
    path = tmp_path / "a.parquet"
    write_parquet(path, weights=pa.array([None] * len(ROWS), kind))
    (file,) = list_inputs(path)
    with pytest.raises(DataError, match=r"column 'w' is of type .*, expected a number$"):
        check_input(file, pair_layout(FilesData(train=path, weight="w"), "train"))
    with pytest.raises(DataError, match=r"column 'v' is not there, .*name yours with .* and data\.weight"):
        check_input(file, pair_layout(FilesData(train=path, weight="v"), "train"))


def test_an_array_that_holds_no_numbers_is_a_fault_of_the_file(tmp_path):
    np.savez(tmp_path / "a.npz", source=np.ones((3, 1), int), target=np.ones((3, 1), int), w=np.ones((3, 2)))
    (file,) = list_inputs(tmp_path / "a.npz")
    with pytest.raises(DataError, match=r"array 'w' .* in 2 dimensions, expected numbers or text in 1 dimension$"):
        check_input(file, pair_layout(FilesData(train=tmp_path / "a.npz", weight="w"), "train"))


def test_files_of_their_own_are_weighted_for_validation_and_not_for_the_test(tmp_path, ingest):
    write_parquet(tmp_path / "a.parquet")
    (tmp_path / "plain.csv").write_text("source,target,other\n1,1,0\n2,2,0\n")
    (tmp_path / "weighted.csv").write_text("w,source,target\n3,1,1\n5,2,2\n")
    own = {"train": tmp_path / "a.parquet", "weight": "w", "test": tmp_path / "plain.csv"}
    folder = ingest(**own, validation=tmp_path / "weighted.csv")
    mean = np.mean([w for _, _, w in ROWS])
    assert stored(folder, "validation") == pytest.approx({1: 3 / mean, 2: 5 / mean})
    with pytest.raises(DataError, match=r"plain\.csv: column 'w' is not there"):
        ingest(**own, validation=tmp_path / "plain.csv")


def test_weights_that_are_all_0_are_refused(tmp_path, ingest):
    write_parquet(tmp_path / "a.parquet", weights=pa.array(np.zeros(len(ROWS))))
    with pytest.raises(DataError, match=r"the weights of all \d+ train row\(s\), column 'w', are 0"):
        ingest(tmp_path / "a.parquet", weight="w")
    write_parquet(tmp_path / "b.parquet")
    (tmp_path / "c.csv").write_text("source,target,w\n1,1,0\n")
    with pytest.raises(DataError, match=r"c\.csv: the weights of all 1 validation row"):
        ingest(tmp_path / "b.parquet", weight="w", validation=tmp_path / "c.csv")


def test_weights_change_nothing_else_of_a_dataset(tmp_path, ingest):
    """Splits, counts of what repeats, vocabularies: a row of weight 0 is a row. Without weights there is no column."""
    write_parquet(tmp_path / "a.parquet", rows=[*ROWS, *((a, b, 0) for a, b, _ in ROWS)])
    weighted, plain = (ingest(tmp_path / "a.parquet", **settings) for settings in ({"weight": "w"}, {}))
    assert load_json(weighted / "account.json") == load_json(plain / "account.json")
    for name in ("codecs.json", "profile.json", "test.parquet", "rejects.parquet"):
        assert (weighted / name).read_bytes() == (plain / name).read_bytes()
    for name in ("train.parquet", "validation.parquet"):
        table = pq.read_table(weighted / name)
        assert table.drop_columns("weight").equals(pq.read_table(plain / name))
        assert (has_weights(weighted / name), has_weights(plain / name)) == (True, False)
    assert all(pairs.weights is None for pairs in read_pairs(plain / "train.parquet"))
