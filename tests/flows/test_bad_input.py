"""What is refused: one clear message, the right exit code, no traceback, and a store that stays whole."""

import gzip
import os

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flows.generate_datasets import main as generate
from flows.train_and_eval import main


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (["--modle.units", "5"], "did you mean '--model.units'"),
        (["--data.cardinalty", "5"], "did you mean '--data.cardinality'"),
        (["--model", "5"], "--model is a section"),
        (["--model.units", "many"], "model.units"),
        (["--model.units", "0"], "greater than or equal to 1"),
        (["--training.optimizer", "adm"], "training.optimizer"),
        (["--data.n_in", "3", "--data.n_out", "4"], "n_out can be at most n_in"),
        (["--data.cardinality", "1"], "data.cardinality"),
        (["--data.n_samples", "0"], "data.n_samples"),
        (
            ["--data.problem", "sort", "--data.cardinality", "3", "--data.n_in", "3"],
            "only 27 different sources",
        ),
        (["--data.problem", "copy", "--data.n_out", "2"], "derives it from n_in"),
        (["--data.problem", "addition", "--data.n_in", "6"], "odd number"),
        (["--data.problem", "sorted"], "data.problem"),
        (["--name", "../elsewhere"], "name"),
        (["--config", "missing.toml"], "missing.toml cannot be read"),
        (["--summary", "/nowhere/at/all.json"], "--summary"),
        (["--data.train", "missing.parquet"], "missing.parquet does not exist"),
        (["--data.train", "x.parquet", "--data.target", "source"], "two different columns"),
        (["--data.train", "x.parquet", "--data.n_in", "5"], "data.n_in is not a setting"),
        (["--data.kind", "folders"], "data"),
    ],
)
def test_settings_that_cannot_be_run_are_refused_before_any_work(flags, expected, tmp_path, capsys):
    assert main([*flags, "--store", str(tmp_path / "store")]) == 2
    said = capsys.readouterr().err
    assert expected in said
    assert "Traceback" not in said
    assert not list(tmp_path.glob("store/*/*"))


def test_all_faults_are_told_together(tmp_path, capsys):
    config = tmp_path / "bad.toml"
    config.write_text('seed = "x"\n[data]\nn_in = 2\nn_out = 5\n[model]\nunit = 3\n[training]\nepochs = 0\n')
    assert main(["--config", str(config)]) == 2
    said = capsys.readouterr().err
    for part in ("seed", "n_out can be at most n_in", "did you mean 'units'", "training.epochs"):
        assert part in said


def test_vectors_of_another_width_are_refused_with_all_other_faults_before_any_data_is_read(tmp_path, capsys):
    """The path is relative to the TOML file; the data is not even there."""
    (tmp_path / "vectors.txt").write_text("2 3\na 1 2 3\nb 1 2 3\n")
    config = tmp_path / "words.toml"
    lines = ["[data]", 'train = "no.csv"', 'source_encoding = "words"', 'target_encoding = "vectors"']
    model = ["[model]", 'source_vectors = "vectors.txt"', 'target_vectors = "no.txt"', "[training]", "epochs = 0"]
    config.write_text("\n".join([*lines, *model]))
    assert main(["--config", str(config), "--store", str(tmp_path / "store")]) == 2
    said = capsys.readouterr().err
    for part in (
        f"model.source_vectors: {tmp_path / 'vectors.txt'} holds vectors of 3 numbers, but model.embedding is 64",
        'model.target_vectors is set, but data.target_encoding is "vectors"',
        f"model.target_vectors: {tmp_path / 'no.txt'} does not exist",
        "training.epochs",
    ):
        assert part in said
    assert "no.csv" not in said
    assert not (tmp_path / "store").exists()


def test_a_file_that_is_no_toml_is_refused(tmp_path, capsys):
    config = tmp_path / "bad.toml"
    config.write_text("name = = 5")
    assert main(["--config", str(config)]) == 2
    assert "is no TOML" in capsys.readouterr().err


def parquet(path, **columns):
    pq.write_table(pa.table(columns), path)


def truncated(path):
    parquet(path, source=[[1, 2]] * 1000, target=[[1, 2]] * 1000)
    path.write_bytes(path.read_bytes()[:-100])


BAD_FILES = {
    "is empty (0 bytes)": lambda path: path.write_bytes(b""),
    "is not Parquet, as its suffix says": lambda path: path.write_text("source,target\n1 2,3 4\n"),
    "is it cut short": truncated,
    "holds no file": lambda path: path.mkdir(),
    "has no rows": lambda path: parquet(
        path, source=pa.array([], pa.list_(pa.int64())), target=pa.array([], pa.list_(pa.int64()))
    ),
    "column 'target' is not there": lambda path: parquet(path, source=[[1, 2]], answer=[[1]]),
    "column 'source' is of type binary": lambda path: parquet(path, source=[b"1 2"], target=[[1]]),
    "column 'target' is of type list<": lambda path: parquet(path, source=[[1, 2]], target=[[1.5]]),
}


@pytest.mark.parametrize("expected", BAD_FILES)
def test_a_file_that_cannot_hold_pairs_is_refused_before_any_work(expected, tmp_path, capsys):
    path = tmp_path / "pairs.parquet"
    BAD_FILES[expected](path)
    assert main(["--data.train", str(path), "--store", str(tmp_path / "store")]) == 2
    said = capsys.readouterr().err
    assert expected in said
    assert "Traceback" not in said


BAD_TEXTS = {
    "is empty (0 bytes)": b"",
    "only a header": b"source,target\n",
    "column 'target' is not there": b"source,answer\n1,2\n",
    "are its fields delimited by ','": b"source;target\n1;2\n",
    'set data.encoding = "utf-16"': "source,target\n1,2\n".encode("utf-16"),
    "begins like Parquet": b"PAR1\x15source,target\n1,2\n",
}


@pytest.mark.parametrize("expected", BAD_TEXTS)
def test_a_file_of_text_that_cannot_hold_pairs_is_refused_before_any_work(expected, tmp_path, capsys):
    path = tmp_path / "pairs.csv"
    path.write_bytes(BAD_TEXTS[expected])
    assert main(["--data.train", str(path), "--store", str(tmp_path / "store")]) == 2
    said = capsys.readouterr().err
    assert expected in said
    assert str(path) in said
    assert "Traceback" not in said
    assert not list(tmp_path.glob("store/*/*"))


@pytest.mark.parametrize("key", ["validation", "test"])
def test_each_file_is_looked_at_before_any_work(key, tmp_path, capsys):
    parquet(tmp_path / "pairs.parquet", source=[[1, 2]], target=[[1]])
    flags = ["--data.train", str(tmp_path / "pairs.parquet"), f"--data.{key}", str(tmp_path / "none.parquet")]
    assert main([*flags, "--store", str(tmp_path / "store")]) == 2
    assert "none.parquet does not exist" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (["--data.history", "3"], "data.history is set and data.horizon is not"),
        (["--data.season", "12"], "data.season is 12; it is for a series"),
        (["--data.history", "3", "--data.horizon", "1", "--data.source_encoding", "words"], "are integers or vectors"),
        (["--data.source", "a,b", "--data.history", "3", "--data.horizon", "1"], "a series of integers has one"),
        (["--data.header", "false", "--data.source", "name"], "give the column's position"),
        (
            ["--data.target_encoding", "vectors", "--evaluation.bleu"],
            "evaluation.bleu is set, but the target is made of",
        ),
        (["--training.loss", "cosine_similarity"], "does not fit a target of tokens"),
        (
            ["--data.target_encoding", "vectors", "--training.loss", "sparse_categorical_crossentropy"],
            "target of vectors",
        ),
        (["--data.source_lowercase"], "which has no case"),
        (["--data.source_encoding", "vectors", "--data.empty_source", "keep"], "needs a step"),
        (["--data.source_encoding", "letters"], "data.source_encoding"),
        (["--data.validation_fraction", "0.5", "--data.test_fraction", "0.5"], "leave nothing to train on"),
        (["--data.max_reject_rate", "2"], "data.max_reject_rate"),
        (["--data.delimiter", "::"], "data.delimiter"),
    ],
)
def test_settings_of_files_that_do_not_fit_are_refused_before_any_work(flags, expected, tmp_path, capsys):
    path = tmp_path / "pairs.csv"
    path.write_text("source,target\n1,2\n")
    assert main(["--data.train", str(path), *flags, "--store", str(tmp_path / "store")]) == 2
    said = capsys.readouterr().err
    assert expected in said
    assert "Traceback" not in said
    assert not list(tmp_path.glob("store/*/*"))


LINES = "".join(f"{i} {i % 7},{i % 3}\n" for i in range(300))
MANY = "".join(f"{i * i},{i % 3}\n" for i in range(100_000))  # more than the first look takes in
BROKEN_LATER = {
    "a quote is opened in row 301 and never closed": ("a.csv", f'source,target\n{LINES}"1,2\n3,4\n'.encode()),
    "breaks off or is damaged after row": ("a.csv.gz", gzip.compress(b"source,target\n" + MANY.encode())[:-20]),
    "  a.csv  301  source_type  ": ("a.csv", f"source,target\n{LINES}x,1\n".encode()),
    "  a.csv  301  columns  ": ("a.csv", f"source,target\n{LINES}1,2,3\n".encode()),
    "  a.jsonl    2  json  ": ("a.jsonl", b'{"source": [1], "target": [2]}\n{"source":\n'),
    "  a.csv    1  source_empty  ": ("a.csv", b"source,target\n,1\n"),
}


@pytest.mark.parametrize("expected", BROKEN_LATER)
def test_what_is_found_only_on_reading_ends_the_run_with_file_row_and_what_to_do(expected, tmp_path, run):
    name, content = BROKEN_LATER[expected]
    (tmp_path / name).write_bytes(content)
    code, summary, said = run(main, "--data.train", str(tmp_path / name))
    assert (code, summary) == (1, None)
    assert expected in said
    assert str(tmp_path / name) in said
    assert any(advice in said for advice in ("close it", "make or copy it again", "data.max_reject_rate"))
    assert not list(tmp_path.glob("store/dataset/*"))


def test_too_few_rows_to_split_end_the_run_and_say_so(tmp_path, run):
    path = tmp_path / "one.parquet"
    parquet(path, source=[[1, 2]], target=[[2, 1]])
    code, _, said = run(main, "--data.train", str(path))
    assert code == 1
    assert "split is empty" in said


def test_one_symbol_only_ends_the_run_and_says_so(tmp_path, run):
    path = tmp_path / "same.parquet"
    parquet(path, source=[[i, 1] for i in range(200)], target=[[7]] * 200)
    code, _, said = run(main, "--data.train", str(path))
    assert code == 1
    assert "1 different symbol" in said


def test_a_store_that_cannot_be_a_folder_is_refused(tmp_path, capsys):
    (tmp_path / "store").write_text("a file")
    assert main(["--store", str(tmp_path / "store")]) == 2
    assert "cannot be written" in capsys.readouterr().err


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_store_without_permission_is_refused(tmp_path, capsys):
    (tmp_path / "store").mkdir(mode=0o500)
    assert main(["--store", str(tmp_path / "store")]) == 2
    assert "cannot be written" in capsys.readouterr().err


def test_an_output_for_the_users_own_pairs_is_refused(tmp_path, capsys):
    path = tmp_path / "pairs.parquet"
    parquet(path, source=[[1, 2]], target=[[1]])
    assert generate(["--data.train", str(path), "--output", str(tmp_path / "out.parquet")]) == 2
    assert "--output is for the pairs of a synthetic problem" in capsys.readouterr().err
