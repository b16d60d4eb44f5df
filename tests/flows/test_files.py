"""The main job on the user's own file of pairs."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flows._cli.checkout import ROOT
from flows.train_and_eval import main

EXAMPLES = ROOT / "data" / "examples"
QUICK = ("--model.units", "16", "--training.batch_size", "64")


def write_pairs(path, sources, targets, columns=("source", "target"), kind=None):
    kind = kind or pa.list_(pa.int64())
    pq.write_table(pa.table(dict(zip(columns, (pa.array(sources, kind), pa.array(targets, kind)), strict=True))), path)
    return path


@pytest.fixture
def pairs():
    """300 pairs over symbols -5..4: the last two of three integers, swapped."""
    source = np.random.default_rng(0).integers(-5, 5, (300, 3))
    return source.tolist(), source[:, :0:-1].tolist()


@pytest.mark.slow
def test_the_example_file_runs_for_one_epoch_and_nothing_stands_on_both_sides(run):
    _, summary, _ = run(main, "--config", str(EXAMPLES / "integers.toml"), "--training.epochs", "1", *QUICK)
    dataset = summary["dataset"]
    assert dataset["rows"] + dataset["validation_rows"] + dataset["evaluation_rows"] == 10_000
    assert summary["n_evaluated"] == dataset["evaluation_rows"] > 800
    splits = {
        name: {tuple(row) for row in pq.read_table(f"{dataset['path']}/{name}.parquet")["source"].to_pylist()}
        for name in ("train", "validation", "test")
    }
    assert not splits["train"] & splits["test"]
    assert not splits["train"] & splits["validation"]
    assert not splits["validation"] & splits["test"]


@pytest.mark.exhaustive
def test_zero_and_negatives_are_symbols_and_come_back_as_such(run, tmp_path, pairs):
    path = write_pairs(tmp_path / "mine.parquet", *pairs)
    code, summary, _ = run(main, "--data.train", str(path), *QUICK)
    assert code == 0
    assert summary["name"] == "mine"
    rows = [tuple(example["source"]) for example in summary["examples"]]
    assert set(rows) <= {tuple(source) for source in pairs[0]}
    assert {value for row in rows for value in row} & {-5, -1, 0}


def test_own_columns_and_own_files_for_validation_and_test(run, tmp_path, pairs):
    columns = ("question", "answer")
    source, target = pairs
    train = write_pairs(tmp_path / "train.parquet", source, target, columns)
    dev = write_pairs(tmp_path / "dev.parquet", pairs[0][:20], pairs[1][:20], columns)
    test = write_pairs(tmp_path / "test.parquet", pairs[0][:30], pairs[1][:30], columns)
    (tmp_path / "mine.toml").write_text(
        'name = "mine"\n[data]\ntrain = "train.parquet"\nvalidation = "dev.parquet"\ntest = "test.parquet"\n'
        'source = "question"\ntarget = "answer"\n'
    )
    code, summary, _ = run(main, "--config", str(tmp_path / "mine.toml"), *QUICK)
    assert code == 0
    assert summary["dataset"]["rows"] == 300
    assert summary["dataset"]["validation_rows"] == 20
    assert summary["n_evaluated"] == 30
    account = json.loads(next((tmp_path / "store" / "dataset").glob("*/account.json")).read_text())
    assert account["read"] == {"train": 300, "validation": 20, "test": 30}
    assert account["repeats"]["test_overlap"] == 30
    assert (train.exists(), dev.exists(), test.exists()) == (True, True, True)


@pytest.mark.slow
def test_a_changed_file_is_read_again(run, tmp_path, pairs):
    path = write_pairs(tmp_path / "mine.parquet", *pairs)
    _, before, _ = run(main, "--data.train", str(path), *QUICK)
    write_pairs(path, pairs[0][:-1], pairs[1][:-1])
    _, after, _ = run(main, "--data.train", str(path), *QUICK)
    assert after["dataset"]["digest"] != before["dataset"]["digest"]
    assert not any(step["cached"] for step in after["steps"])


@pytest.mark.exhaustive
def test_a_source_with_two_targets_is_counted_reported_and_kept(run, tmp_path, pairs):
    pairs[0].append(pairs[0][0])
    pairs[1].append([4, 4])
    path = write_pairs(tmp_path / "mine.parquet", *pairs)
    _, summary, _ = run(main, "--data.train", str(path), *QUICK)
    dataset = summary["dataset"]
    assert dataset["rows"] + dataset["validation_rows"] + dataset["evaluation_rows"] == 301
    with open(f"{dataset['path']}/account.json") as file:  # noqa: PTH123
        assert json.load(file)["repeats"]["conflicts"] >= 1
    assert "repeats: conflicts" in open(summary["report"]).read()  # noqa: PTH123, SIM115


@pytest.mark.slow
def test_faulty_rows_end_the_run_unless_a_share_of_them_is_allowed(run, tmp_path, pairs):
    pairs[0][10], pairs[1][20], pairs[0][30] = None, [1, None], []
    path = write_pairs(tmp_path / "mine.parquet", *pairs)
    code, summary, said = run(main, "--data.train", str(path), *QUICK)
    assert (code, summary) == (1, None)
    assert "3 of 300 rows cannot be used" in said
    assert "  mine.parquet   11  source_null  " in said
    assert "data.max_reject_rate" in said
    assert not list((tmp_path / "store").glob("dataset/*"))

    code, summary, _ = run(main, "--data.train", str(path), "--data.max_reject_rate", "0.02", *QUICK)
    assert code == 0
    assert summary["dataset"]["rejected_rows"] == 3
    rejects = pq.read_table(f"{summary['dataset']['path']}/rejects.parquet").to_pylist()
    assert [(reject["row"], reject["reason"]) for reject in rejects] == [
        (11, "source_null"),
        (21, "target_null_inside"),
        (31, "source_empty"),
    ]
    page = open(summary["report"]).read()  # noqa: PTH123, SIM115
    assert "target_null_inside" in page
