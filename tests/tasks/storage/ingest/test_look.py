"""A look at the user's files tells what training would take of them, and leaves nothing."""

import json
import tempfile
from pathlib import Path

import numpy as np
import pytest

from tasks.seq2seq.arrays.hashing import sequence_hashes
from tasks.seq2seq.arrays.sequences import Sequences
from tasks.seq2seq.data.codec_training import IntegerIntake
from tasks.seq2seq.errors import DataError
from tasks.seq2seq.settings.data import FilesData
from tasks.storage.files.json_files import load_json
from tasks.storage.ingest import look
from tasks.storage.ingest.look import look_at_files
from tasks.storage.ingest.pairs import ingest_pairs
from tasks.storage.ingest.series import ingest_series
from tests.helpers.settled import SETTLED

TEXT = {"source_encoding": "words", "target_encoding": "characters"}


@pytest.fixture(autouse=True)
def scratch(tmp_path, monkeypatch):
    """The folder for temporary files, which must be as empty as before."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    assert list(folder.iterdir()) == []


def write(path, rows):
    path.write_text("".join(json.dumps({"source": s, "target": t}) + "\n" for s, t in rows), encoding="utf-8")
    return path


def integers(n=300):
    return [([i % 7, i // 7 % 7, i // 49 % 7], [i % 7]) for i in range(n)]


def words(n=300):
    return [(f"the {'cat' if i % 2 else 'dog'} w{i % 17} x{i}", f"le {i % 5}") for i in range(n)]


@pytest.mark.parametrize("settings", [{}, {"seed": 5}, {"validation_fraction": 0.3, "test_fraction": 0.2}])
def test_splits_vocabulary_and_counts_are_those_of_the_dataset(tmp_path, settings):
    seed = settings.pop("seed", 0)
    data = FilesData(train=write(tmp_path / "a.jsonl", [*integers(), (None, [1])]), max_reject_rate=0.1, **settings)
    (tmp_path / "dataset").mkdir()
    facts = ingest_pairs(data, seed, tmp_path / "dataset")
    account, found = load_json(tmp_path / "dataset" / "account.json"), look_at_files(data, seed)
    for name in ("read", "rejected", "reasons", "splits", "held_back", "repeats"):
        assert found[name] == account[name]
    assert found["source"]["symbols"] == facts.source.vocabulary - 4
    assert (found["source"]["longest"], found["target"]["longest"]) == (facts.source.length, facts.target.length)
    assert found["first_rows"] is None
    (reject,) = found["rejects"]
    assert (reject["file"], reject["row"], reject["reason"]) == ("a.jsonl", 301, "source_null")


UNDERSTOOD = [
    ("integers", [3, 0, -2], "[3, 0, -2]"),
    ("words", "the cat", "the | cat"),
    ("characters", "a cat", "a ␣ c a t"),
    ("vectors", [1.5, 2], "[1.5, 2]"),
    ("vectors", [[1, 2], [3, 4]], "[1 2, 3 4]"),
]


@pytest.mark.parametrize(("encoding", "value", "shown"), UNDERSTOOD)
def test_five_pairs_are_shown_as_they_are_understood_with_file_and_row(tmp_path, encoding, value, shown):
    write(tmp_path / "a.jsonl", [(value, [i % 2]) for i in range(3)])
    write(tmp_path / "test.jsonl", [(value, [1])])
    data = FilesData(
        train=tmp_path / "a.jsonl", test=tmp_path / "test.jsonl", source_encoding=encoding, validation_fraction=0
    )
    pairs = look_at_files(data, 0)["pairs"]
    assert [(one["file"], one["row"], one["source"]) for one in pairs] == [("a.jsonl", i + 1, shown) for i in range(3)]
    assert [one["target"] for one in pairs] == ["[0]", "[1]", "[0]"]


def test_five_are_enough(tmp_path):
    assert len(look_at_files(FilesData(train=write(tmp_path / "a.jsonl", integers())), 0)["pairs"]) == 5


def test_the_commonest_and_the_rarest_symbols_are_counted_in_training(tmp_path):
    rows = [([1] * 5 + [2] * 3 + [i % 9 + 3], [1, 2]) for i in range(90)]
    data = FilesData(train=write(tmp_path / "a.jsonl", rows), test=write(tmp_path / "b.jsonl", rows), min_count=10)
    source = look_at_files(data.model_copy(update={"validation_fraction": 0.0}), 0)["source"]
    assert source["commonest"][:3] == [
        {"symbol": 1, "count": 450},
        {"symbol": 2, "count": 270},
        {"symbol": 3, "count": 10},
    ]
    assert source["rarest"][0] == {"symbol": 11, "count": 10}
    assert source["symbols"] == 11
    assert source["unknown"] == 0


def test_rare_symbols_that_became_unknown_are_counted_and_written_so(tmp_path):
    data = FilesData(train=write(tmp_path / "a.jsonl", words()), min_count=5, **TEXT)
    found = look_at_files(data, 0)
    assert found["source"]["unknown"] == found["splits"]["train"]
    assert found["pairs"][0]["source"].endswith(" | <unk>")


def odd(found):
    return {one["why"]: one for one in found["odd_rows"]}


def test_the_oddest_rows_are_named_wherever_they_lie(tmp_path):
    rows = integers()
    rows[40] = ([1] * 60, [1] * 70)
    rows[90] = ([1], [2] * 50)
    rows[91] = ([3] * 55, [2])
    rows[200] = ([1, 2, 999], [1])
    write(tmp_path / "a.jsonl", rows[:150])
    write(tmp_path / "b.jsonl", rows[150:])
    found = odd(
        look_at_files(FilesData(train=tmp_path / "*.jsonl", test=write(tmp_path / "test.ndjson", rows), **SETTLED), 0)
    )
    assert {why: (one["file"], one["row"]) for why, one in found.items()} == {
        "the longest source": ("a.jsonl", 41),
        "the longest target": ("a.jsonl", 41),
        "the longest target for its source": ("a.jsonl", 91),
        "the longest source for its target": ("a.jsonl", 92),
        "the source symbol 999, once in training": ("b.jsonl", 51),
    }
    assert found["the longest source"]["source_steps"] == 60


def test_rows_that_are_all_alike_are_not_odd(tmp_path):
    rows = [([i % 7, i // 7 % 7], [i % 7, i // 7 % 7]) for i in range(300)]
    assert look_at_files(FilesData(train=write(tmp_path / "a.jsonl", rows)), 0)["odd_rows"] == []


def test_the_vector_furthest_from_the_others_is_named(tmp_path):
    rows = [([i % 5, i / 7], [i % 3]) for i in range(200)]
    rows[70] = ([1, 9e6], [1])
    train, test = write(tmp_path / "a.jsonl", rows), write(tmp_path / "b.jsonl", rows[:9])
    vectors = {"source_encoding": "vectors", "target_encoding": "vectors"}
    data = FilesData(train=train, test=test, validation_fraction=0, **vectors)
    found = look_at_files(data, 0)
    assert odd(found)["the source value furthest from the mean"]["row"] == 71
    assert found["source"]["high"] == [9e6]
    assert "symbols" not in found["source"]


def test_long_sequences_and_rejects_are_cut(tmp_path):
    rows = [*integers(), ([1] * 9_000, [1]), (["x" * 9_000], [1])]
    found = look_at_files(FilesData(train=write(tmp_path / "a.jsonl", rows), max_reject_rate=0.1), 0)
    assert len(json.dumps(found)) < 6_000
    assert odd(found)["the longest source"]["source_steps"] == 9_000


@pytest.mark.seconds
def test_of_large_files_the_first_rows_of_each_are_read_and_it_says_so(tmp_path, monkeypatch):
    """The folder for temporary files may lie among them."""
    monkeypatch.setattr(look, "WHOLE_BYTES", 1000)
    monkeypatch.setattr(look, "FIRST_ROWS", 40_000)
    rows = [([i % 97, i // 97], [i % 3]) for i in range(70_000)]
    write(tmp_path / "a.jsonl", rows)
    (tmp_path / "b.jsonl").write_text("not even JSON")
    test = write(tmp_path / "scratch" / ".test.jsonl", rows[:100])
    found = look_at_files(FilesData(train=tmp_path, test=test, **SETTLED), 0)
    test.unlink()
    assert found["first_rows"] == 40_000
    assert 40_000 <= found["read"]["train"] < 70_000
    assert found["read"]["test"] == 100


def test_what_the_dataset_would_refuse_the_look_refuses(tmp_path):
    for i, rows in enumerate(([("x y", [1])] * 9, integers(1))):
        data = FilesData(train=write(tmp_path / "a.jsonl", rows))
        with pytest.raises(DataError) as of_look:
            look_at_files(data, 0)
        (tmp_path / f"{i}").mkdir()
        with pytest.raises(DataError) as of_dataset:
            ingest_pairs(data, 0, tmp_path / f"{i}")
        assert str(of_look.value) == str(of_dataset.value)


def test_pairs_that_are_held_out_are_not_counted_as_training(tmp_path):
    data = FilesData(train=write(tmp_path / "a.jsonl", integers()))
    intake, source = IntegerIntake(), Sequences.of_rows(np.array([row[0] for row in integers()[:49]]))
    hashes = np.unique(sequence_hashes(intake.hashes(source.values), source.offsets))
    without, found = look_at_files(data, 0), look_at_files(data, 0, hashes)
    assert found["held_back"] > 0
    lost = without["splits"]["train"] + without["splits"]["validation"]
    assert found["splits"]["train"] + found["splits"]["validation"] == lost - found["held_back"]


SERIES = {
    "source": "y", "source_encoding": "vectors", "target_encoding": "vectors", "history": 6, "horizon": 2,
    "relative_to_last": True, "max_reject_rate": 0.2,
}  # fmt: skip


def months(path: Path, n, gap=None):
    values = [f"{100 + i + (i % 12) / 4}" for i in range(n)]
    if gap is not None:
        values[gap] = "?"
    path.write_text("y\n" + "\n".join(values) + "\n")
    return path


def test_of_a_series_the_first_windows_and_the_borders_of_the_splits_are_told(tmp_path):
    (tmp_path / "in").mkdir()
    months(tmp_path / "in" / "a.csv", 100)
    months(tmp_path / "in" / "b.csv", 60, gap=20)
    data = FilesData(train=tmp_path / "in", **SERIES, **SETTLED)
    (tmp_path / "dataset").mkdir()
    ingest_series(data, tmp_path / "dataset")
    account, found = load_json(tmp_path / "dataset" / "account.json"), look_at_files(data, 0)
    assert found["splits"] == account["splits"]
    assert found["read"] == {"train": 160}
    assert found["reasons"] == {"source_type": 1}
    assert found["series"][0] == {
        "file": "a.csv", "read": 100, "rejected": 0, "windows_by_split": account["series"][0]["windows_by_split"],
        "rows_by_split": {"train": [1, 80], "validation": [81, 90], "test": [91, 100]},
    }  # fmt: skip
    first = found["pairs"][0]
    assert (first["file"], first["row"]) == ("a.csv", 6)
    assert first["target"] == "[107.5, 108.8]"
    assert first["source"].startswith("[100, 101.2, ")


def test_files_of_a_series_of_their_own_belong_to_their_split(tmp_path):
    train, test = months(tmp_path / "a.csv", 100), months(tmp_path / "b.csv", 30)
    found = look_at_files(FilesData(train=train, test=test, validation_fraction=0, **SERIES), 0)
    assert found["series"][1]["rows_by_split"] == {"train": None, "validation": None, "test": [1, 30]}


def test_a_series_of_integers_has_symbols_with_counts(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("y\n" + "\n".join(str(i % 4 % 3) for i in range(100)) + "\n")
    found = look_at_files(FilesData(train=path, source="y", history=4, horizon=1), 0)
    assert found["source"]["commonest"][0] == {"symbol": 0, "count": 40}
    assert found["pairs"][0]["source"] == "[0, 1, 2, 0]"
