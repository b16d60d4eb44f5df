"""The main job on users' own files of every kind: text, integers of varying length, a series."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flows.generate_datasets import main as generate
from flows.train_and_eval import main

QUICK = ("--model.units", "16", "--model.embedding", "8", "--training.batch_size", "64")


def account_of(summary):
    return json.loads((Path(summary["dataset"]["path"]) / "account.json").read_text())


def predictions_of(summary):
    (path,) = (step["path"] for step in summary["steps"] if step["name"] == "evaluation")
    return pq.read_table(f"{path}/predictions.parquet").to_pylist()


@pytest.fixture
def lexicon(tmp_path):
    """Made-up words and their phonemes, by tab, without a header."""
    rng = np.random.default_rng(0)
    sounds = {"b": "B", "k": "K", "o": "OW1", "a": "AA0", "é": "EY1", "sh": "SH"}
    parts = [rng.choice(list(sounds), rng.integers(1, 5)).tolist() for _ in range(1500)]
    words = {"".join(part): " ".join(sounds[sound] for sound in part) for part in parts}
    path = tmp_path / "words.tsv"
    path.write_text("".join(f"{word}\t{phonemes}\n" for word, phonemes in words.items()), encoding="utf-8")
    return path, words


PHONEMES = ("--data.source_encoding", "characters", "--data.target_encoding", "words")


@pytest.mark.slow
def test_a_tsv_of_words_and_phonemes_without_a_header(run, lexicon):
    path, words = lexicon
    code, summary, said = run(
        main, "--data.train", str(path), "--data.header", "false", *PHONEMES, *QUICK, "--training.epochs", "2",
        "--evaluation.bleu", "true", "--evaluation.chrf",
    )  # fmt: skip
    assert code == 0
    assert summary["name"] == "words"
    for name in ("sequence_accuracy", "token_accuracy", "token_error_rate", "bleu", "chrf"):
        assert isinstance(summary[name], float), name
    assert 0 < summary["chrf"] <= 100
    assert "bleu:" in said
    rows = predictions_of(summary)
    assert len(rows) == summary["n_evaluated"] == account_of(summary)["splits"]["test"]
    assert all(words[row["source"]] == " ".join(row["target"]) for row in rows)
    lines = path.read_text(encoding="utf-8").splitlines()
    assert all(lines[row["row"] - 1].split("\t")[0] == row["source"] for row in rows)
    example = summary["examples"][0]
    assert example["text"]["source"] == example["source"]
    assert example["text"]["expected"] == " ".join(example["expected"])
    assert Path(summary["report"]).exists()
    assert summary["dataset"]["rejected_rows"] == 0


@pytest.mark.slow
def test_text_is_scored_by_bleu_and_chrf_only_when_asked(run, lexicon):
    path, _ = lexicon
    path.write_text("\n".join(path.read_text(encoding="utf-8").splitlines()[:300]), encoding="utf-8")
    _, summary, _ = run(main, "--data.train", str(path), "--no-data.header", *PHONEMES, *QUICK)
    assert not {"bleu", "chrf"} & set(summary)


@pytest.mark.parametrize("flags", [("--no-data.header",), ("--data.header=false",), ("--data.header", "False")])
def test_there_are_several_ways_to_say_that_there_is_no_header(run, lexicon, flags):
    path, words = lexicon
    _, said_so, _ = run(generate, "--data.train", str(path), "--data.header", "false", *PHONEMES)
    _, summary, _ = run(generate, "--data.train", str(path), *flags, *PHONEMES)
    assert summary["dataset"]["digest"] == said_so["dataset"]["digest"]
    assert summary["steps"][0]["cached"]
    assert account_of(summary)["read"] == {"train": len(words)}


@pytest.mark.slow
def test_a_parquet_of_integer_lists_of_varying_length(run, tmp_path):
    """Reversed; values below 0 and far apart."""
    rng = np.random.default_rng(0)
    source = [rng.choice([-7, 0, 5, 10**12], rng.integers(1, 6)).tolist() for _ in range(1000)]
    table = pa.table({"source": source, "target": [row[::-1] for row in source]})
    pq.write_table(table, tmp_path / "reversed.parquet")
    code, summary, _ = run(main, "--data.train", str(tmp_path / "reversed.parquet"), *QUICK, "--training.epochs", "2")
    assert code == 0
    for name in ("sequence_accuracy", "token_accuracy", "token_error_rate"):
        assert 0 <= summary[name] <= 1, name
    rows = predictions_of(summary)
    assert summary["n_evaluated"] == len(rows) > 20
    assert {len(row["source"]) for row in rows} >= {2, 3, 4, 5}
    assert all(row["target"] == row["source"][::-1] == source[row["row"] - 1][::-1] for row in rows)
    assert {value for row in rows for value in row["prediction"]} <= {-7, 0, 5, 10**12, None}
    assert summary["dataset"]["shapes"]["source"] == [summary["dataset"]["rows"], 5]
    assert Path(summary["report"]).exists()


@pytest.fixture
def months(tmp_path):
    """Twenty years of months: a trend and a season, beside a column that is a tenth of it."""
    level = [50 + 0.1 * i + 8 * np.sin(i * np.pi / 6) for i in range(240)]
    path = tmp_path / "level.csv"
    path.write_text("month,level,tenth\n" + "".join(f"{1990 + i // 12}-{i % 12 + 1:02},{v:.4f},{v / 10:.5f}\n" for i, v in enumerate(level)))  # fmt: skip
    return path


REALS = ("--data.source_encoding", "vectors", "--data.target_encoding", "vectors")
WINDOWS = ("--data.history", "12", "--data.horizon", "3", "--data.season", "12", "--data.relative_to_last")


def test_a_csv_of_a_monthly_series(run, months):
    code, summary, said = run(
        main, "--data.train", str(months), "--data.source", "level", *REALS, *WINDOWS,
        "--model.units", "16", "--training.batch_size", "16", "--training.epochs", "12", "--training.learning_rate", "0.01",
        "--require-promotion",
    )  # fmt: skip
    assert code == 0
    for name in ("mae", "rmse", "smape", "mase", "relative_mae"):
        assert summary[name] > 0, name
    assert summary["relative_mae"] < 1
    assert summary["promoted"] is True
    assert "sequence_accuracy" not in summary
    account = account_of(summary)
    assert account["read"] == 240 == account["windows"] + account["history_only"]
    assert summary["n_evaluated"] == account["splits"]["test"] == 22
    example = summary["examples"][0]
    assert len(example["source"]) == 12
    assert len(example["predicted"]) == 3
    assert example["correct"] is None
    assert "MASE" in said
    assert Path(summary["report"]).exists()


def test_several_columns_are_named_with_commas_between(run, months, tmp_path):
    flags = ("--data.train", str(months), "--data.target", "level", *REALS, *WINDOWS)
    _, summary, _ = run(generate, *flags, "--data.source", "level,tenth")
    assert summary["dataset"]["shapes"]["source"] == [summary["dataset"]["rows"], 12, 2]
    assert summary["dataset"]["shapes"]["target"] == [summary["dataset"]["rows"], 3, 1]
    (tmp_path / "a.toml").write_text('[data]\nsource = ["level", "tenth"]\n')
    _, again, _ = run(generate, "--config", str(tmp_path / "a.toml"), *flags)
    assert again["dataset"]["digest"] == summary["dataset"]["digest"]


@pytest.mark.slow
def test_a_model_that_answers_alike_whatever_is_asked_is_refused_however_often_that_is_right(run, tmp_path):
    rng = np.random.default_rng(0)
    source = rng.integers(0, 10, (1500, 3)).tolist()
    target = [[7, 7] if i % 50 else [3, 3] for i in range(1500)]
    pq.write_table(pa.table({"source": source, "target": target}), tmp_path / "alike.parquet")
    code, summary, said = run(
        main, "--data.train", str(tmp_path / "alike.parquet"), *QUICK, "--evaluation.min_sequence_accuracy", "0.8",
        "--require-promotion",
    )  # fmt: skip
    assert code == 1
    assert summary["sequence_accuracy"] >= 0.9
    assert summary["majority_baseline"] == summary["sequence_accuracy"]
    assert summary["distinct_predictions"] == 1
    assert summary["promoted"] is False
    assert "collapsed" in summary["promotion_reason"]
    assert "not promoted" in said
