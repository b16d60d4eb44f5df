"""`--dry-run` on files: pairs as they are understood, splits, symbols, odd rows, rejects; nothing is made."""

import json

import pytest

from flows.generate_datasets import main as generate
from flows.train_and_eval import main
from tasks.seq2seq.settings.data import FilesData
from tasks.storage.ingest.look import look_at_files


@pytest.fixture
def pairs(tmp_path):
    """A file of text of which two rows cannot be used."""
    lines = [f"the {'cat' if i % 2 else 'dog'} {i % 40} {'very ' * (i % 7)}good,le {i % 9}" for i in range(300)]
    lines[120] = "zyzzyva,z"
    path = tmp_path / "pairs.csv"
    path.write_text("source,target\n" + "\n".join([*lines, ",x", "a,b,c"]) + "\n")
    return path


TEXT = ("--data.source_encoding", "words", "--data.target_encoding", "characters", "--data.max_reject_rate", "0.1")


@pytest.mark.parametrize(("command", "n_steps"), [(main, 7), (generate, 1)])
def test_what_the_files_hold_is_shown_before_the_steps(run, pairs, tmp_path, command, n_steps):
    code, summary, said = run(command, "--data.train", str(pairs), *TEXT, "--dry-run")
    assert code == 0
    shown, planned = said.split("\nstep ")
    assert f"{n_steps} of {n_steps} steps would be" in planned
    lines = [" ".join(line.split()) for line in shown.splitlines()]
    for expected in (
        "all rows were read: train 302",
        "237 pairs to train, 31 to validate, 32 to evaluate on",
        "2 rows are rejected: columns 1, source_empty 1",
        'pairs.csv 301 source_empty {"source": "", "target": "x"}',
        "pairs as they are understood:",
        "pairs.csv 1 the | dog | 0 | good l e ␣ 0",
        "source: words, at most 10 a sequence; 46 different ones",
        "the source symbol 'zyzzyva', once in training 1, 1 pairs.csv 121 zyzzyva z",
    ):
        assert expected in lines, shown
    data = FilesData(train=pairs, source_encoding="words", target_encoding="characters", max_reject_rate=0.1)
    assert summary["data"] == json.loads(json.dumps(look_at_files(data, 0)))
    assert [step["cached"] for step in summary["steps"]] == [False] * n_steps
    assert not (tmp_path / "store").exists()


def test_a_rejected_row_of_one_of_several_places_says_of_which(run, pairs, tmp_path):
    (tmp_path / "test").mkdir()
    test = tmp_path / "test" / "pairs.csv"
    test.write_text("source,target\nthe cat,x\nthe dog,\n")
    many = (*TEXT, "--data.max_reject_rate", "0.5", "--data.test", str(test))
    _, summary, said = run(main, "--data.train", str(pairs), *many, "--dry-run")
    lines = [" ".join(line.split()) for line in said.splitlines()]
    assert "train: pairs.csv 302 columns a,b,c" in lines
    assert 'test: pairs.csv 2 target_empty {"source": "the dog", "target": ""}' in lines
    assert [one["setting"] for one in summary["data"]["rejects"]] == ["train", "train", "test"]


def test_of_a_series_windows_and_borders_are_shown(run, tmp_path):
    path = tmp_path / "sales.csv"
    path.write_text("y\n" + "\n".join(str(i % 12 + i / 100) for i in range(200)) + "\n")
    real = ("--data.source_encoding", "vectors", "--data.target_encoding", "vectors")
    _, _, said = run(
        main, "--data.train", str(path), "--data.source", "y", *real, "--data.history", "12", "--data.horizon", "3",
        "--dry-run",
    )  # fmt: skip
    lines = [" ".join(line.split()) for line in said.splitlines()]
    assert "windows as they are understood:" in lines
    assert "sales.csv 12 [0, 1.01, 2.02, 3.03, 4.04, 5.05, 6.06, 7.07, 8... [0.12, 1.13, 2.14]" in lines
    assert "sales.csv 200 0 1 to 160: 146 161 to 180: 18 181 to 200: 18" in lines


def test_of_a_generated_problem_only_the_steps_are_shown(run):
    _, summary, said = run(main, "--dry-run")
    assert said.startswith("step ")
    assert summary["data"] is None


def test_a_file_that_a_run_would_refuse_is_refused_with_2_and_leaves_nothing(run, pairs, tmp_path):
    code, summary, said = run(main, "--data.train", str(pairs), "--dry-run")
    assert (code, summary) == (2, None)
    assert said.count("302 of 302 rows cannot be used") == 1
    assert said.count('data.source_encoding = "words"') == 1
    assert not (tmp_path / "store").exists()


def test_a_summary_that_cannot_be_written_is_refused_before_the_files_are_read(pairs, capsys):
    assert main(["--data.train", str(pairs), *TEXT, "--dry-run", "--summary", "/nowhere/at/all.json"]) == 2
    said = capsys.readouterr()
    assert "--summary" in said.err
    assert said.out == ""


def test_neither_tensorflow_nor_a_server_is_started(start_process, pairs, tmp_path):
    flags = ("--data.train", pairs, *TEXT, "--dry-run", "--store", tmp_path / "store")
    home = tmp_path / "home"
    process = start_process(
        "-m", "flows.train_and_eval", *flags, PREFECT_HOME=str(home), PYTHONPROFILEIMPORTTIME="1", PYTHONVERBOSE=""
    )
    said, _ = process.communicate(timeout=240)
    assert process.returncode == 0, said[-2000:]
    imported = {line.split("|")[-1].strip() for line in said.splitlines() if line.startswith("import time:")}
    assert "prefect" in imported
    assert not imported & {"tensorflow", "keras", "onnxruntime", "prefect.server.api.server"}
    assert not list(home.glob("*.db"))
