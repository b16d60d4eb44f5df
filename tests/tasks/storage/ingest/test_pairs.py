"""The user's files of pairs as a dataset: no row without its place, whatever the files hold."""

import gzip
import json
import threading
import time
from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.seq2seq.data.scaling import Scaling
from tasks.seq2seq.errors import DataError
from tasks.seq2seq.settings.data import FilesData
from tasks.storage.artifacts.dataset import read_codecs
from tasks.storage.files.json_files import load_json
from tasks.storage.ingest.pairs import ingest_pairs
from tasks.storage.ingest.row_rules import LONGEST
from tests.helpers.settled import SETTLED

SPLITS = ("train", "validation", "test")
TEXT = {"source_encoding": "characters", "target_encoding": "words"}


class Dataset:
    """A dataset as it lies on disk, in the user's own values."""

    def __init__(self, folder, facts):
        self.folder, self.facts = folder, facts
        self.account = load_json(folder / "account.json")
        self.codecs = read_codecs(folder)
        self.rejects = pq.read_table(folder / "rejects.parquet").to_pylist()

    def raw(self, split):
        path = self.folder / f"{split}.parquet"
        return pq.read_table(path).to_pylist() if path.exists() else []

    def split(self, name):
        """Pairs of lists of symbols, or of vectors as they are."""
        return [tuple(self._values(row, side) for side in ("source", "target")) for row in self.raw(name)]

    def _values(self, row, side):
        codec = getattr(self.codecs, side)
        return row[side] if isinstance(codec, Scaling) else codec.decode(np.array(row[side], np.int32))

    def text(self, name):
        """Sources, joined: of characters."""
        return ["".join(symbol or "?" for symbol in source) for source, _ in self.split(name)]


@pytest.fixture
def ingest(tmp_path):
    """Makes a dataset of files; its account must add up."""

    def ingest_files(train, seed=0, **settings):
        folder = tmp_path / f"dataset-{time.perf_counter_ns()}"
        folder.mkdir()
        facts = ingest_pairs(FilesData(train=train, **SETTLED, **settings), seed, folder)
        dataset = Dataset(folder, facts)
        account = dataset.account
        assert sum(account["read"].values()) == sum(account["reasons"].values()) + sum(account["splits"].values())
        assert facts.rejected_rows == sum(account["reasons"].values()) == len(dataset.rejects)
        assert dict(Counter(reject["reason"] for reject in dataset.rejects)) == account["reasons"]
        for name, rows in zip(SPLITS, (facts.train_rows, facts.validation_rows, facts.evaluation_rows), strict=True):
            assert len(dataset.raw(name)) == rows == account["splits"].get(name, 0)
        assert {path.name for path in folder.iterdir()} - {"validation.parquet"} == {
            "train.parquet", "test.parquet", "rejects.parquet", "account.json", "codecs.json", "profile.json",
        }  # fmt: skip
        return dataset

    return ingest_files


@pytest.fixture
def write(tmp_path):
    """Writes rows into a CSV or TSV."""

    def write_rows(rows, name="pairs.csv", header=("source", "target")):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        mark = "\t" if ".tsv" in name else ","
        lines = "".join(mark.join(row) + "\n" for row in ([header] if header else []) + list(rows))
        path.write_bytes(gzip.compress(lines.encode()) if name.endswith(".gz") else lines.encode())
        return path

    return write_rows


def words(n, seed=0):
    """Different short texts over a, b, c, d."""
    rng = np.random.default_rng(seed)
    found = {}
    while len(found) < n:
        found["".join(rng.choice(list("abcd"), rng.integers(1, 7)))] = None
    return list(found)


def spelled(texts):
    """Each text and its letters as words."""
    return [(text, " ".join(text)) for text in texts]


@pytest.fixture
def rows():
    """200 pairs of a text and its letters as words."""
    return spelled(words(200))


def failure(action, *arguments, **keywords):
    with pytest.raises(DataError) as error:
        action(*arguments, **keywords)
    return str(error.value)


# What goes in comes out


def test_every_row_ends_in_one_split_as_it_was(ingest, write, rows):
    dataset = ingest(write(rows), **TEXT)
    assert dataset.account["read"] == {"train": 200}
    assert dataset.account["rejected"] == {"train": 0}
    assert dataset.account["files"] == [str(write(rows))]
    assert min(dataset.account["splits"].values()) > 5
    found = [("".join(source), " ".join(target)) for name in SPLITS for source, target in dataset.split(name)]
    assert sorted(found) == sorted(rows)


def test_rows_keep_their_order_within_a_split(ingest, write, rows):
    dataset = ingest(write(rows), **TEXT)
    order = [text for text, _ in rows]
    for name in SPLITS:
        assert dataset.text(name) == sorted(dataset.text(name), key=order.index)


def test_test_rows_name_their_file_and_row(ingest, write, rows, tmp_path):
    write(rows[:100], "many/a.csv")
    write(rows[100:], "many/deeper/b.tsv")
    dataset = ingest(tmp_path / "many", **TEXT)
    written = {"a.csv": rows[:100], "deeper/b.tsv": rows[100:]}
    assert {row["file"] for row in dataset.raw("test")} == set(written)
    for row, text in zip(dataset.raw("test"), dataset.text("test"), strict=True):
        assert written[row["file"]][row["row"] - 1][0] == text
    assert set(dataset.raw("train")[0]) == {"source", "target"}


def test_facts_say_what_a_model_must_be_built_for(ingest, write, rows):
    facts = ingest(write(rows), **TEXT).facts
    assert facts.masked
    assert (facts.source.encoding, facts.source.vocabulary, facts.source.length) == ("characters", 4 + 4, 6)
    assert (facts.target.encoding, facts.target.vocabulary, facts.target.length) == ("words", 4 + 4, 6)


@pytest.mark.seconds
def test_the_same_files_give_the_same_dataset_and_another_seed_another_split(ingest, write, rows):
    path = write(rows)
    first, same, other = (ingest(path, seed, **TEXT) for seed in (0, 0, 1))
    for file in first.folder.iterdir():
        assert file.read_bytes() == (same.folder / file.name).read_bytes(), file.name
    assert first.text("test") != other.text("test")


def test_several_files_of_different_formats_in_a_folder_are_read_together(ingest, write, rows, tmp_path):
    write(rows[:40], "many/a.csv")
    write(rows[40:80], "many/b.tsv.gz")
    lines = [json.dumps({"source": text, "target": letters, "more": 1}) for text, letters in rows[80:120]]
    (tmp_path / "many" / "c.jsonl").write_text("\n".join(lines))
    table = pa.table(
        {"target": [letters.split() for _, letters in rows[120:]], "source": [text for text, _ in rows[120:]]}
    )
    pq.write_table(table.slice(0, 40), tmp_path / "many" / "d.parquet")
    with pa.ipc.new_file(tmp_path / "many" / "e.arrow", table.schema) as writer:
        writer.write_table(table.slice(40))
    (tmp_path / "many" / "README.md").write_text("no pairs")
    dataset = ingest(tmp_path / "many", **TEXT)
    assert dataset.account["read"] == {"train": 200}
    assert [path.rsplit("/")[-1] for path in dataset.account["files"]] == [
        "a.csv", "b.tsv.gz", "c.jsonl", "d.parquet", "e.arrow"
    ]  # fmt: skip
    assert sorted(text for name in SPLITS for text in dataset.text(name)) == sorted(text for text, _ in rows)


def test_a_file_without_a_header_is_read_by_position(ingest, write, rows):
    path = write([("x", letters, text) for text, letters in rows], "a.tsv", header=None)
    dataset = ingest(path, header=False, source=2, target=1, **TEXT)
    assert dataset.account["read"] == {"train": 200}
    assert dataset.text("train")[0] in dict(rows)


@pytest.mark.parametrize("encoding", ["integers", "characters", "words", "vectors"])
def test_equal_sources_of_every_encoding_share_their_split(ingest, write, encoding):
    """However they are written."""
    texts = [f"{i // 13} {i % 13}" for i in range(150)]
    noisy = [text.replace(" ", "   ") if encoding != "characters" else text for text in texts]
    path = write([*((text, "1 2") for text in texts), *((text, "2 1") for text in noisy)])
    dataset = ingest(path, source_encoding=encoding, target_encoding="integers")
    splits = [Counter(str(source) for source, _ in dataset.split(name)) for name in SPLITS]
    assert all(set(split.values()) == {2} for split in splits)
    assert sum(map(len, splits)) == 150
    assert dataset.account["repeats"] == {
        "duplicates": 0, "conflicts": 150, "validation_overlap": 0, "test_overlap": 0
    }  # fmt: skip


@pytest.mark.parametrize("encoding", ["integers", "characters", "words", "vectors"])
def test_a_source_stays_in_its_split_whatever_else_is_in_the_file(ingest, write, encoding):
    """More rows, another order, another file: what was held out stays held out."""
    texts = [f"{i // 13} {i % 13}" for i in range(150)]

    def splits(dataset):
        return {str(source): name for name in SPLITS for source, _ in dataset.split(name)}

    def read(texts, name):
        return splits(ingest(write([(text, "1 2") for text in texts], name), source_encoding=encoding))

    before = read(texts, "a.csv")
    more = [f"9 {i} 8" for i in range(500)]
    after = read(np.random.default_rng(0).permutation([*texts, *more]).tolist(), "b.tsv")
    assert len(set(before.values())) == 3
    assert {source: after[source] for source in before} == before


def test_duplicates_and_conflicts_are_counted_and_kept(ingest, write, rows):
    path = write([*rows, rows[0], rows[0], (rows[1][0], "a a a"), (rows[2][0], "a a a"), (rows[2][0], "a a b")])
    dataset = ingest(path, **TEXT)
    assert dataset.account["repeats"]["duplicates"] == 2
    assert dataset.account["repeats"]["conflicts"] == 2
    assert sum(dataset.account["splits"].values()) == 205


# Files of their own for validation and test


def test_validation_and_test_files_are_taken_whole_and_training_is_not_split(ingest, write, rows):
    train = write(rows)
    dev, test = write(spelled(words(20, seed=1)), "dev.tsv"), write(rows[:30], "test.csv")
    dataset = ingest(train, validation=dev, test=test, **TEXT)
    assert dataset.account["read"] == {"train": 200, "validation": 20, "test": 30}
    assert dataset.account["splits"] == {"train": 200, "validation": 20, "test": 30}
    assert dataset.account["repeats"]["test_overlap"] == 30
    overlap = len(set(words(20, seed=1)) & set(words(200)))
    assert dataset.account["repeats"]["validation_overlap"] == overlap
    assert [(row["file"], row["row"]) for row in dataset.raw("test")] == [("test.csv", i) for i in range(1, 31)]


def test_a_test_file_alone_leaves_validation_to_the_training_file(ingest, write, rows):
    dataset = ingest(write(rows), test=write(rows[:30], "test.csv"), validation_fraction=0.3, **TEXT)
    assert dataset.facts.evaluation_rows == 30
    assert dataset.facts.train_rows + dataset.facts.validation_rows == 200
    assert dataset.facts.validation_rows > 30


def test_no_validation_is_no_fault_where_none_was_asked_for(ingest, write, rows):
    dataset = ingest(write(rows), validation_fraction=0.0, **TEXT)
    assert dataset.facts.validation_rows == 0
    assert "validation" not in dataset.account["splits"]


# The vocabulary


def test_the_vocabulary_is_learned_from_training_alone(ingest, write, rows):
    """A symbol of the test file is unknown, and counted by row."""
    test = write([("ab", "a b"), ("xa", "a x"), ("xyx", "q")], "test.csv")
    dataset = ingest(write(rows), test=test, **TEXT)
    assert dataset.codecs.source.symbols == dataset.codecs.target.symbols == ("a", "b", "c", "d")
    assert dataset.text("test") == ["ab", "?a", "???"]
    assert dataset.account["unknown"]["test"] == 2
    assert dataset.split("test")[1][1] == ["a", None]


def test_symbols_that_are_rarer_than_min_count_are_unknown_in_training_too(ingest, write, rows):
    dataset = ingest(write([*rows, *[("axa", "a")] * 3]), min_count=4, **TEXT)
    assert "x" not in dataset.codecs.source.symbols
    assert "a?a" in dataset.text("train") + dataset.text("validation") + dataset.text("test")
    dataset = ingest(write([*rows, *[("axa", "a")] * 3]), min_count=3, seed=3, **TEXT)
    held_out = "axa" not in dataset.text("train")
    assert ("x" not in dataset.codecs.source.symbols) is held_out


def test_max_vocabulary_keeps_the_commonest_symbols_of_each_side(ingest, write):
    rows = [("a" * (3 + i % 5) + "b" * (2 + i % 3) + "c", "x x x y y z") for i in range(200)]
    dataset = ingest(write(rows), max_vocabulary=2, **TEXT)
    assert dataset.codecs.source.symbols == ("a", "b")
    assert dataset.codecs.target.symbols == ("x", "y")
    assert dataset.text("train")[0].endswith("?")
    assert dataset.split("train")[0][1] == ["x", "x", "x", "y", "y", None]


def test_rows_with_unknown_symbols_are_rejected_where_that_is_set(ingest, write, rows):
    """From validation and test: what training holds is known."""
    test = write([("ab", "a b"), ("xa", "a x"), ("ba", "b q")], "test.csv")
    dev = write([("ab", "a b"), ("yya", "a x")], "dev.csv")
    dataset = ingest(write(rows), validation=dev, test=test, unknown="reject", **TEXT)
    assert dataset.account["splits"] == {"train": 200, "validation": 1, "test": 2}
    assert dataset.account["reasons"] == {"source_unknown": 2}
    assert dataset.account["rejected"] == {"train": 0, "validation": 1, "test": 1}
    splits = dataset.account["splits"]
    assert dataset.account["read"]["test"] == splits["test"] + 1
    assert [(row["file"], row["row"], row["reason"]) for row in dataset.rejects] == [
        ("dev.csv", 2, "source_unknown"),
        ("test.csv", 2, "source_unknown"),
    ]
    assert [row["row"] for row in dataset.raw("test")] == [1, 3]


def test_a_test_split_of_nothing_but_unknown_symbols_ends_the_run(ingest, write, rows):
    test = write([("x", "a"), ("y", "b")], "test.csv")
    said = failure(ingest, write(rows), test=test, unknown="reject", **TEXT)
    assert str(test) in said
    assert 'data.unknown = "keep"' in said


def test_one_symbol_leaves_nothing_to_learn(ingest, write):
    said = failure(ingest, write([("a" * i, "1") for i in range(1, 200)]), **TEXT)
    assert "source column" in said
    assert "1 different symbol" in said


def test_lower_casing_makes_sources_equal_before_they_are_split(ingest, write):
    rows = [(text.upper() if i % 2 else text, "x y") for i, text in enumerate(words(150) * 2)]
    dataset = ingest(write(rows), source_lowercase=True, **TEXT)
    assert dataset.codecs.source.symbols == ("a", "b", "c", "d")
    assert dataset.account["repeats"]["test_overlap"] == 0
    assert dataset.account["repeats"]["duplicates"] == 150


# Rows that cannot be used


def test_faulty_rows_are_kept_with_file_row_reason_and_content(ingest, tmp_path):
    source = [[1, 2], None, [3], [4, None], [5]] + [[i, i + 1] for i in range(200)]
    target = [[1], [2], None, [1], []] + [[i % 3] for i in range(200)]
    kind = pa.list_(pa.int64())
    pq.write_table(
        pa.table({"source": pa.array(source, kind), "target": pa.array(target, kind)}), tmp_path / "a.parquet"
    )
    dataset = ingest(tmp_path / "a.parquet", max_reject_rate=0.1)
    assert [(row["file"], row["row"], row["reason"], json.loads(row["content"])) for row in dataset.rejects] == [
        ("a.parquet", 2, "source_null", {"source": None, "target": [2]}),
        ("a.parquet", 3, "target_null", {"source": [3], "target": None}),
        ("a.parquet", 4, "source_null_inside", {"source": [4, None], "target": [1]}),
        ("a.parquet", 5, "target_empty", {"source": [5], "target": []}),
    ]
    assert dataset.account["rejected"] == {"train": 4}


def test_rows_that_the_format_breaks_stand_among_the_rejects_in_order(ingest, write, rows):
    bad = [*rows[:3], ("a", "b", "c"), *rows[3:5], ("", "b"), *rows[5:]]
    dataset = ingest(write(bad), max_reject_rate=0.1, **TEXT)
    assert [(row["row"], row["reason"]) for row in dataset.rejects] == [(4, "columns"), (7, "source_empty")]


def test_too_many_faulty_rows_end_the_run_with_the_first_and_what_to_do(ingest, write, rows):
    path = write([*rows[:9], ("", "x"), *rows[9:], ("a", "")])
    said = failure(ingest, path, max_reject_rate=0.004, **TEXT)
    for part in (
        str(path),
        "2 of 202 rows",
        "  pairs.csv   10  source_empty  ",
        "reasons: source_empty 1, target_empty 1",
        "data.max_reject_rate",
    ):
        assert part in said
    assert ingest(path, max_reject_rate=0.01, **TEXT).facts.rejected_rows == 2


@pytest.mark.seconds
def test_each_file_of_its_own_has_a_reject_rate_of_its_own(ingest, write, rows):
    """A large training file does not hide that the test file is bad."""
    test = write([*rows[:3], ("", "x")], "test.csv")
    said = failure(ingest, write(rows), test=test, max_reject_rate=0.1, **TEXT)
    assert "1 of 4 rows" in said
    dataset = ingest(write(rows), test=test, max_reject_rate=0.25, **TEXT)
    assert dataset.account["rejected"] == {"train": 0, "test": 1}
    train = write([*rows, ("", "x"), ("", "x")], "train.csv")
    assert ingest(train, test=test, max_reject_rate=0.25, **TEXT).account["rejected"] == {"train": 2, "test": 1}


def test_a_file_without_one_usable_row_ends_the_run_whatever_may_be_rejected(ingest, write):
    assert "3 of 3 rows" in failure(ingest, write([("", "x")] * 3), max_reject_rate=1.0, **TEXT)


@pytest.mark.parametrize("side", ["source", "target"])
def test_empty_sequences_are_rejected_or_kept_as_is_set(ingest, write, rows, side):
    empty = ("", "a b") if side == "source" else ("abcdabcd", "")
    path = write([*rows, empty])
    assert ingest(path, max_reject_rate=0.1, **TEXT).account["reasons"] == {f"{side}_empty": 1}
    kept = ingest(path, **{f"empty_{side}": "keep"}, **TEXT)
    assert kept.account["reasons"] == {}
    place = 0 if side == "source" else 1
    assert [pair[place] for name in SPLITS for pair in kept.split(name)].count([]) == 1


def test_sequences_longer_than_the_maximum_are_rejected_and_never_cut(ingest, write, rows):
    path = write(rows)
    dataset = ingest(path, max_source_length=4, max_target_length=3, max_reject_rate=1.0, **TEXT)
    lengths = Counter(len(text) for text, _ in rows)
    assert dataset.account["reasons"] == {
        "source_too_long": lengths[5] + lengths[6], "target_too_long": lengths[4]
    }  # fmt: skip
    for name in SPLITS:
        assert set(dataset.text(name)) <= {text for text, _ in rows if len(text) <= 3}
    assert (dataset.facts.source.length, dataset.facts.target.length) == (4, 3)


def test_a_length_at_the_maximum_is_kept(ingest, write, rows):
    assert ingest(write(rows), max_source_length=6, max_target_length=6, **TEXT).facts.rejected_rows == 0


@pytest.mark.seconds
def test_a_line_of_ten_megabytes_is_rejected_as_too_long_and_counted(ingest, write, rows):
    assert LONGEST == 10_000
    path = write([*rows[:5], ("ab" * 5_000_000, "a"), *rows[5:], ("a", "a " * 10_001), ("a" * 10_000, "a")])
    dataset = ingest(path, max_reject_rate=0.02, **TEXT)
    assert [(row["row"], row["reason"]) for row in dataset.rejects] == [
        (6, "source_too_long"),
        (202, "target_too_long"),
    ]
    assert dataset.facts.source.length == 10_000


def test_a_maximum_beyond_the_default_lets_longer_sequences_in(ingest, write, rows):
    path = write([*rows, ("ab" * 6_000, "a")])
    assert ingest(path, max_source_length=12_000, **TEXT).facts.rejected_rows == 0


def write_vectors(path, source, target, kind=None):
    pq.write_table(pa.table({"source": pa.array(source, kind), "target": pa.array(target, kind)}), path)
    return path


VECTORS = {"source_encoding": "vectors", "target_encoding": "vectors"}


def test_vectors_come_back_as_they_were_and_are_scaled_by_training_alone(ingest, tmp_path):
    rng = np.random.default_rng(0)
    source = [rng.normal(5, 3, (rng.integers(1, 5), 2)).tolist() for _ in range(200)]
    target = [rng.normal(-1, 1, (3, 1)).tolist() for _ in range(200)]
    dataset = ingest(write_vectors(tmp_path / "a.parquet", source, target), **VECTORS)
    found = [pair for name in SPLITS for pair in dataset.split(name)]
    assert sorted(found) == sorted(zip(source, target, strict=True))
    steps = np.concatenate([np.array(pair[0]) for pair in dataset.split("train")])
    scaling = dataset.codecs.source
    assert scaling.mean == pytest.approx(steps.mean(axis=0))
    assert scaling.deviation == pytest.approx(steps.std(axis=0))
    assert (scaling.low, scaling.high) == (tuple(steps.min(axis=0)), tuple(steps.max(axis=0)))
    assert (dataset.facts.source.features, dataset.facts.target.features, dataset.facts.target.length) == (2, 1, 3)


def test_vectors_of_another_horizon_or_number_of_features_are_rejected(ingest, tmp_path):
    source = [[[float(i), 1.0]] * (1 + i % 3) for i in range(200)]
    target = [[[float(i)], [1.0]] for i in range(200)]
    target[7], source[11], target[13], source[17] = [[1.0]], [[1.0]], [[1.0, 2.0], [1.0, 2.0]], [[1.0, float("nan")]]
    dataset = ingest(write_vectors(tmp_path / "a.parquet", source, target), max_reject_rate=0.1, **VECTORS)
    assert [(row["row"], row["reason"]) for row in dataset.rejects] == [
        (8, "target_length"), (12, "source_features"), (14, "target_features"), (18, "source_not_finite")
    ]  # fmt: skip


def test_the_horizon_and_features_of_the_first_file_hold_for_all(ingest, tmp_path):
    (tmp_path / "many").mkdir()
    write_vectors(tmp_path / "many/a.parquet", [[float(i)] for i in range(100)], [[float(i), 1.0] for i in range(100)])
    write_vectors(tmp_path / "many/b.parquet", [[[1.0, 2.0]]], [[1.0, 2.0]])
    write_vectors(tmp_path / "many/c.parquet", [[1.0]], [[1.0, 2.0, 3.0]])
    dataset = ingest(tmp_path / "many", max_reject_rate=0.1, **VECTORS)
    assert [(row["file"], row["reason"]) for row in dataset.rejects] == [
        ("b.parquet", "source_features"),
        ("c.parquet", "target_length"),
    ]


def test_sources_of_vectors_may_go_to_tokens(ingest, tmp_path):
    source, target = [[[float(i), -1.0]] for i in range(100)], [[i % 3] for i in range(100)]
    dataset = ingest(write_vectors(tmp_path / "a.parquet", source, target), source_encoding="vectors")
    assert dataset.codecs.target.symbols == (0, 1, 2)
    assert (dataset.facts.source.features, dataset.facts.target.vocabulary) == (2, 7)


# Files that leave nothing, or do not stay as they are


def test_one_row_cannot_be_split(ingest, write):
    said = failure(ingest, write([("ab", "a b")]), **TEXT)
    assert "split is empty" in said
    assert "1 usable row(s)" in said
    assert "data.test" in said


def test_one_source_alone_leaves_a_split_empty(ingest, write):
    said = failure(ingest, write([("ab", "a b"), ("ab", "b a")] * 100), **TEXT)
    assert "split is empty" in said


def test_one_row_a_file_is_enough_where_each_split_has_its_own(ingest, write):
    paths = [write([("ab", "a b")], name) for name in ("a.csv", "b.csv", "c.csv")]
    dataset = ingest(paths[0], validation=paths[1], test=paths[2], **TEXT)
    assert dataset.account["splits"] == {"train": 1, "validation": 1, "test": 1}


def test_an_unreadable_file_among_several_ends_the_run_and_is_named(ingest, write, rows, tmp_path):
    write(rows, "many/a.csv")
    (tmp_path / "many" / "b.parquet").write_bytes(b"PAR1 no parquet")
    assert "b.parquet" in failure(ingest, tmp_path / "many", **TEXT)


@pytest.mark.seconds
def test_a_file_that_changes_while_it_is_read_ends_the_run(ingest, tmp_path):
    path = tmp_path / "a.jsonl"
    line = '{"source": "ab", "target": "a b"}\n'
    path.write_text(line * 120_000)
    changed = threading.Event()

    def change():
        while not list(tmp_path.glob("dataset-*/staged-*")):
            time.sleep(0.001)
        with path.open("a") as file:
            file.write(line)
        changed.set()

    thread = threading.Thread(target=change, daemon=True)
    thread.start()
    said = failure(ingest, path, test=path, **TEXT)
    thread.join(10)
    assert changed.is_set()
    assert "changed while it was read" in said


def test_sides_that_share_a_vocabulary_have_one_codec_in_which_both_are_stored(ingest, write, rows):
    """A symbol that training has on the other side alone is not unknown."""
    text = {"source_encoding": "words", "target_encoding": "words", "shared_vocabulary": True}
    own = write([("a e", "a"), ("a f", "a")], "test.csv")
    dataset = ingest(write([(" ".join(text), f"e {text}") for text, _ in rows]), test=own, unknown="reject", **text)
    assert dataset.codecs.source == dataset.codecs.target
    assert {"a", "b", "c", "d", "e"} < set(dataset.codecs.source.symbols)
    assert dataset.split("test") == [(["a", "e"], ["a"])]
    assert [row["reason"] for row in dataset.rejects] == ["source_unknown"]
    assert dataset.facts.source.vocabulary == dataset.facts.target.vocabulary == dataset.codecs.source.size
    found = [(" ".join(source), " ".join(target)) for source, target in dataset.split("train")]
    assert set(found) <= {(" ".join(text), f"e {text}") for text, _ in rows} | {("a e", "a")}


def test_memory_does_not_hold_the_file(run_python, tmp_path):
    """Four times the pairs take about the same memory."""

    def peak(n):
        rng = np.random.default_rng(0)
        source = rng.integers(0, 50, (n, 40))
        pq.write_table(
            pa.table({"source": pa.FixedSizeListArray.from_arrays(source.reshape(-1), 40), "target": pa.FixedSizeListArray.from_arrays(source[:, :20].reshape(-1), 20)}),
            tmp_path / f"{n}.parquet", row_group_size=20_000,
        )  # fmt: skip
        (tmp_path / f"dataset{n}").mkdir()
        return int(
            run_python(
                """
                import pathlib, re, sys
                from tasks.seq2seq.settings.data import FilesData
                from tasks.storage.ingest.pairs import ingest_pairs

                facts = ingest_pairs(FilesData(train=sys.argv[1]), 0, pathlib.Path(sys.argv[2]))
                assert facts.train_rows > 0.7 * int(sys.argv[3])
                # getrusage would give the peak of the process that started this one.
                status = pathlib.Path("/proc/self/status").read_text()
                print(int(re.search(r"VmHWM:\\s*(\\d+) kB", status)[1]) // 1024)
                """,
                tmp_path / f"{n}.parquet",
                tmp_path / f"dataset{n}",
                n,
            )
        )

    few, many = peak(100_000), peak(400_000)
    # As int64 alone, 300,000 pairs of 60 steps are 137 MiB.
    assert many - few < 60


@pytest.mark.parametrize(("name", "expected"), [("a.csv", None), ("a.parquet", 2000)])
def test_what_is_read_and_encoded_is_reported_with_its_counts(tmp_path, write, name, expected):
    if name.endswith("csv"):
        write([[f"{i}", f"{i % 5}"] for i in range(2000)], name)
    else:
        pq.write_table(pa.table({side: [[i % n] for i in range(2000)] for side, n in SIDES.items()}), tmp_path / name)
    told = []
    (tmp_path / "dataset").mkdir()
    ingest_pairs(FilesData(train=tmp_path / name), 0, tmp_path / "dataset", report=lambda *what: told.append(what))
    read, encoded = ([said for said in told if said[0] == f"rows {what}"] for what in ("read", "encoded"))
    assert told == [*read, *encoded]
    assert read[-1] == ("rows read", 2000, expected)
    assert encoded[-1] == ("rows encoded", 2000, 2000)
    assert [done for _, done, _ in encoded] == sorted(done for _, done, _ in encoded)


SIDES = {"source": 2000, "target": 5}


def write_as(path, source, target):
    """Pairs of vectors as a file of this suffix."""
    rows = [{"source": one, "target": other} for one, other in zip(source, target, strict=True)]
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        table = pa.Table.from_pylist(rows, pa.schema(dict.fromkeys(("source", "target"), VECTORS_OF_TWO)))
        pq.write_table(table, path)


VECTORS_OF_TWO = pa.list_(pa.list_(pa.float64()))


@pytest.mark.parametrize("suffix", ["parquet", "jsonl"])
@pytest.mark.parametrize("day", [0, 4])
@pytest.mark.parametrize("side", ["source", "target"])
def test_a_day_of_nulls_in_a_folder_is_rejected_and_the_others_are_learned_from(ingest, tmp_path, side, day, suffix):
    """Whichever day it is: the first one, too, says nothing of how many numbers a step has, or a target steps."""
    rng = np.random.default_rng(0)
    (tmp_path / "days").mkdir()
    for i in range(5):
        source = rng.normal(size=(40, 3, 2)).tolist()
        sides = {"source": source, "target": [steps[:2] for steps in source]}
        if i == day:
            sides[side] = [None] * 40
        write_as(tmp_path / "days" / f"{i}.{suffix}", **sides)
    reals = {"source_encoding": "vectors", "target_encoding": "vectors"}
    dataset = ingest(tmp_path / "days", max_reject_rate=0.2, **reals)
    assert dataset.account["reasons"] == {f"{side}_null": 40}
    assert sum(dataset.account["splits"].values()) == 160
    assert (dataset.facts.source.features, dataset.facts.target.features, dataset.facts.target.length) == (2, 2, 2)
    with pytest.raises(DataError, match=rf"40 of 200 rows [\s\S]* {day}\.{suffix} +1 +{side}_null"):
        ingest(tmp_path / "days", max_reject_rate=0.19, **reals)


@pytest.mark.parametrize("day", [0, 2])
def test_a_day_of_nulls_is_rejected_whatever_the_encoding(ingest, tmp_path, day):
    (tmp_path / "days").mkdir()
    for i in range(3):
        rows = [{"source": f"ab{k}", "target": None if i == day else f"x y{k % 5}"} for k in range(40)]
        (tmp_path / "days" / f"{i}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert ingest(tmp_path / "days", max_reject_rate=0.4, **TEXT).account["reasons"] == {"target_null": 40}


EXTREMES = [1e101, -1e200, -1.797e308, 1.7976931348623157e308]


@pytest.mark.parametrize("value", EXTREMES)
@pytest.mark.parametrize("side", ["source", "target"])
def test_a_number_whose_square_fits_no_64_bits_ends_the_run_and_is_named(ingest, tmp_path, side, value):
    reals = {"source_encoding": "vectors", "target_encoding": "vectors"}
    sides = {name: np.random.default_rng(0).normal(size=(200, 2)).tolist() for name in ("source", "target")}
    sides[side][120][1] = value
    pq.write_table(pa.table(sides), tmp_path / "a.parquet")
    with pytest.raises(DataError) as raised:
        ingest(tmp_path / "a.parquet", **reals)
    for part in (
        "row 121 of",
        "a.parquet",
        f"{side}_extreme",
        repr(value),
        f"column '{side}'",
        "data.missing",
        "scale",
    ):
        assert part in str(raised.value)
    dataset = ingest(tmp_path / "a.parquet", max_reject_rate=0.01, **reals)
    assert dataset.account["reasons"] == {f"{side}_extreme": 1}
    for codec in (dataset.codecs.source, dataset.codecs.target):
        assert np.isfinite([codec.mean, codec.deviation, codec.low, codec.high]).all()


def test_numbers_that_look_like_marks_are_kept_and_counted_by_column(ingest, tmp_path):
    source = np.random.default_rng(0).normal(size=(400, 3))
    target = source[:, :1].copy()
    source[:30, 1] = -3.4e38
    target[5:7] = 1e20
    pq.write_table(pa.table({"ask": source.tolist(), "answer": target.tolist()}), tmp_path / "a.parquet")
    reals = {"source_encoding": "vectors", "target_encoding": "vectors", "source": "ask", "target": "answer"}
    dataset = ingest(tmp_path / "a.parquet", **reals)
    assert dataset.account["sentinels"] == [
        {"column": "ask", "value": -3.4e38, "times": 30}, {"column": "answer", "value": 1e20, "times": 2},
    ]  # fmt: skip
    assert dataset.facts.rejected_rows == 0
    assert np.isfinite([*dataset.codecs.source.deviation, *dataset.codecs.target.deviation]).all()
