"""What is refused: one clear message, the right exit code, no traceback, and a store that stays whole."""

import os

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flows.generate_datasets import main as generate
from flows.train_and_eval import main


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (["--modle.units", "5"], "did you mean 'model.units'"),
        (["--data.cardinalty", "5"], "did you mean 'data.cardinality'"),
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
        (["--data.train", "x.parquet", "--data.n_in", "5"], "data.n_in is no setting"),
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
    "cannot be read as Parquet": lambda path: path.write_text("source,target\n1 2,3 4\n"),
    "is it cut short": truncated,
    "is a folder": lambda path: path.mkdir(),
    "has no rows": lambda path: parquet(
        path, source=pa.array([], pa.list_(pa.int64())), target=pa.array([], pa.list_(pa.int64()))
    ),
    "column 'target' is not there": lambda path: parquet(path, source=[[1, 2]], answer=[[1]]),
    "column 'source' is of type string": lambda path: parquet(path, source=["1 2"], target=[[1]]),
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
