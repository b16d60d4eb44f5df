"""All steps on the user's own files, small ones, called without a server."""

import json
import re

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.check import check_dataset
from tasks.evaluate import evaluate_model
from tasks.export import export_model
from tasks.generate import generate_dataset
from tasks.promote import promote_model
from tasks.report import write_report
from tasks.seq2seq.errors import DataError, SettingsError
from tasks.seq2seq.promotion.comparison import Standing
from tasks.seq2seq.settings.model import ModelSettings
from tasks.seq2seq.settings.rules import check_experiment
from tasks.storage.artifacts.bundle import load_bundle
from tasks.storage.artifacts.dataset import DatasetFacts, SideFacts
from tasks.storage.files.json_files import load_json
from tasks.storage.store.artifact_store import Store
from tasks.storage.store.promotions import Promotion
from tasks.train import MAX_ONE_HOT, check_one_hot, train_model
from tests.helpers.codecs import as_vocabulary

DECISION = Promotion(name="copy", promoted=True, passed=True, decided_now=True, reason="good")


class Made:
    """The handles of all steps of an experiment, and what the last ones wrote."""

    def __init__(self, store, **settings):
        self.store, self.experiment = store, check_experiment(settings)
        self.dataset = generate_dataset.fn(self.experiment, store)
        self.training = train_model.fn(self.experiment, self.dataset, store)
        self.bundle = export_model.fn(self.experiment, self.dataset, self.training, store)
        self.evaluation = evaluate_model.fn(self.experiment, self.dataset, self.bundle, store)
        self.promotion = promote_model.fn(
            self.experiment, self.dataset, self.bundle, self.evaluation, Standing(), store
        )
        checks = check_dataset.fn(self.experiment, self.dataset, store)
        inputs = (self.dataset, checks, self.training, self.bundle, self.evaluation)
        self.report = write_report.fn(self.experiment, *inputs, DECISION, store)
        self.scores = self.evaluation.facts["scores"]
        self.account = load_json(self.dataset.path / "account.json")
        self.predictions = pq.read_table(self.evaluation.path / "predictions.parquet")
        self.page = (self.report.path / "report.html").read_text(encoding="utf-8")

    def said(self, name):
        """The value beside a name in the report's tables."""
        found = re.search(rf"<t[hd][^>]*>{re.escape(name)}</t[hd]>\s*<td[^>]*>(?:<[^>]*>)*([^<]*)<", self.page)
        assert found, name
        return found[1]


QUICK = {"epochs": 4, "batch_size": 32, "learning_rate": 0.02}


@pytest.fixture(scope="module")
def spelling(tmp_path_factory):
    """Words to characters: three of four words, written as their first letters; with faults and an unknown word."""
    folder = tmp_path_factory.mktemp("spelling")
    rng = np.random.default_rng(0)
    words = ("ash", "birch", "cedar", "döner")
    rows = [rng.choice(words, rng.integers(1, 4)).tolist() for _ in range(1500)]
    lines = [f"{' '.join(row)}\t{''.join(word[0] for word in row)}" for row in rows]
    lines[4], lines[9] = "\tx", "ash\tx\ty"
    (folder / "train.tsv").write_text("words\tletters\n" + "\n".join(lines))
    tests = ["ash birch\tab", "cedar\tc", "elm ash\tea", "\tx", "döner ash cedar\tdac"]
    (folder / "test.tsv").write_text("words\tletters\n" + "\n".join(tests))
    data = {
        "train": folder / "train.tsv", "test": folder / "test.tsv", "source": "words", "target": "letters",
        "source_encoding": "words", "target_encoding": "characters", "max_reject_rate": 0.25,
    }  # fmt: skip
    return Made(
        folder / "store", data=data, model={"units": 24, "embedding": 8}, training=QUICK, evaluation={"chrf": True}
    )


def test_words_are_learned_to_be_spelled(spelling):
    predictions = {row["row"]: row for row in spelling.predictions.to_pylist()}
    assert {predictions[1]["prediction"], predictions[2]["prediction"]} == {"ab", "c"}
    assert spelling.scores["sequence_accuracy"] >= 0.75
    assert 0 < spelling.scores["chrf"] <= 100
    assert spelling.training.facts["best_epoch"] <= 4


def test_predictions_name_file_and_row_and_hold_what_was_read(spelling):
    rows = spelling.predictions.to_pylist()
    assert [(row["file"], row["row"]) for row in rows] == [("test.tsv", i) for i in (1, 2, 3, 5)]
    assert [row["source"] for row in rows] == [["ash", "birch"], ["cedar"], [None, "ash"], ["döner", "ash", "cedar"]]
    assert [row["target"] for row in rows] == ["ab", "c", "\N{REPLACEMENT CHARACTER}a", "dac"]
    assert [row["n_unknown"] for row in rows] == [0, 0, 1, 0]
    assert [row["correct"] for row in rows] == [row["target"] == row["prediction"] for row in rows]
    assert all(row["log_probability"] <= 0 for row in rows)


def test_the_account_says_where_every_row_went(spelling):
    account = spelling.account
    assert account["read"] == {"train": 1500, "test": 5}
    assert account["rejected"] == {"train": 2, "test": 1}
    assert account["reasons"] == {"source_empty": 2, "columns": 1}
    assert account["splits"]["train"] + account["splits"]["validation"] == 1498
    assert account["unknown"]["test"] == 1
    assert spelling.scores["rows_with_unknown"] == 1


def test_the_report_says_what_was_read_rejected_split_learned_and_missed(spelling):
    account = spelling.account
    assert spelling.said("rows read: train") == "1,500"
    assert spelling.said("rows rejected: test") == "1"
    assert spelling.said("pairs: train") == f"{account['splits']['train']:,}"
    assert spelling.said("rejected because: source empty") == "2"
    assert spelling.said("pairs that are there more than once") == f"{account['repeats']['duplicates']:,}"
    assert spelling.said("with unknown symbols: test") == "1"
    for text in ("test.tsv", "source_empty", "chrF", "ash birch", "of 4 held-out sequences right as a whole"):
        assert text in spelling.page, text


def test_the_report_shows_wrong_predictions_and_confusions(spelling):
    mistakes = load_json(spelling.evaluation.path / "evaluation.json")["mistakes"]
    wrong = [row for row in spelling.predictions.to_pylist() if not row["correct"]]
    assert sum(mistake["count"] for mistake in mistakes["wrong_predictions"]) == len(wrong) >= 1
    assert {mistake["predicted"] for mistake in mistakes["wrong_predictions"]} == {row["prediction"] for row in wrong}
    assert any(mistake["expected"] == "<unk>" for mistake in mistakes["confusions"])
    assert "&lt;unk&gt;" in spelling.page


def test_the_bundle_predicts_as_the_evaluation_did_without_the_dataset(spelling):
    from tasks.seq2seq.arrays.sequences import Sequences
    from tasks.seq2seq.inference.predictor import Predictor
    from tasks.storage.outputs.predictions import to_values

    bundle = load_bundle(spelling.bundle, Store(spelling.store))
    rows = spelling.predictions.to_pylist()
    vocabulary = as_vocabulary(bundle.codecs.source)
    ids = [vocabulary.encode_words([word or "?" for word in row["source"]]) for row in rows]
    sources = Sequences.of_lengths(np.concatenate(ids), np.array([len(row) for row in ids]))
    predicted = Predictor(bundle.engine, bundle.codecs, bundle.n_steps).predict(sources)
    assert to_values(predicted.sequences, bundle.codecs.target).to_pylist() == [row["prediction"] for row in rows]


@pytest.fixture(scope="module")
def labels(tmp_path_factory):
    """Vectors to an integer: which of two features is larger on the average, as -1 or 40."""
    folder = tmp_path_factory.mktemp("labels")
    rng = np.random.default_rng(0)
    steps = [rng.normal(0, 1, (rng.integers(2, 5), 2)) + shift for shift in rng.choice([[-3, 3], [3, -3]], 1500)]
    steps[3][0, 0] = np.nan
    labels = [[-1 if step.mean(axis=0)[0] < 0 else 40] for step in steps]
    labels[3] = [40]
    pq.write_table(pa.table({"source": [step.tolist() for step in steps], "target": labels}), folder / "a.parquet")
    data = {"train": folder / "a.parquet", "source_encoding": "vectors", "max_reject_rate": 0.01}
    return Made(folder / "store", data=data, model={"units": 8}, training={**QUICK, "sampling": "constant"})


@pytest.mark.slow
def test_the_report_says_where_training_was_given_predictions(labels, spelling):
    said = "in training some inputs were the model&#39;s own predictions"
    assert said in labels.page
    assert said not in spelling.page


@pytest.mark.slow
def test_vectors_are_labelled_with_the_users_own_integers(labels):
    assert labels.scores["sequence_accuracy"] >= 0.95
    assert labels.promotion.promoted
    rows = labels.predictions.to_pylist()
    assert {tuple(row["prediction"]) for row in rows} == {(-1,), (40,)}
    assert {len(row["source"][0]) for row in rows} == {2}
    assert {type(row["outside_range"]) for row in rows} == {bool}
    assert labels.account["reasons"] == {"source_not_finite": 1}


@pytest.mark.slow
def test_labels_are_scored_with_the_share_that_is_right_by_the_commonest_alone(labels):
    rows = labels.predictions.to_pylist()
    share = max(np.mean([row["target"] == [label] for row in rows]) for label in (-1, 40))
    assert labels.scores["majority_baseline"] == pytest.approx(share)


@pytest.fixture(scope="module")
def embeddings(tmp_path_factory):
    """Vectors to vectors with the cosine loss: one of eight directions, swapped."""
    folder = tmp_path_factory.mktemp("embeddings")
    rng = np.random.default_rng(0)
    angles = rng.integers(0, 8, 800) * np.pi / 4
    points = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    source = points[:, None] + rng.normal(0, 0.05, (800, 2, 2))
    np.savez(folder / "a.npz", source=source, target=points[:, None, ::-1] * 7)
    data = {"train": folder / "a.npz", "source_encoding": "vectors", "target_encoding": "vectors"}
    return Made(
        folder / "store", data=data, model={"units": 16},
        training={**QUICK, "epochs": 8, "loss": "cosine_similarity"}, evaluation={"n_examples": 3},
    )  # fmt: skip


@pytest.mark.slow
def test_embeddings_are_proven_by_their_nearest_neighbours(embeddings):
    assert embeddings.scores["nearest_neighbour_accuracy"] >= 0.95
    assert embeddings.scores["mean_cosine_similarity"] >= 0.95
    assert embeddings.promotion.promoted
    assert "nearest to the right one" in embeddings.page
    assert embeddings.scores["baseline"] is None
    prediction, target = (np.array(embeddings.predictions[name].to_pylist())[:, 0] for name in ("prediction", "target"))
    cosine = (prediction * target).sum(axis=1) / np.linalg.norm(prediction, axis=1) / np.linalg.norm(target, axis=1)
    assert cosine.mean() == pytest.approx(embeddings.scores["mean_cosine_similarity"], abs=1e-6)


@pytest.fixture(scope="module")
def series(tmp_path_factory):
    """A wave with a trend and a gap, from twelve steps to the next three."""
    folder = tmp_path_factory.mktemp("series")
    steps = [f"{100 + 0.05 * i + 10 * np.sin(i * np.pi / 6):.6f}" for i in range(500)]
    steps[50] = "broken"
    (folder / "wave.csv").write_text("day,level\n" + "".join(f"{i},{step}\n" for i, step in enumerate(steps)))
    data = {
        "train": folder / "wave.csv", "source": "level", "source_encoding": "vectors", "target_encoding": "vectors",
        "history": 12, "horizon": 3, "season": 12, "relative_to_last": True, "max_reject_rate": 0.01,
    }  # fmt: skip
    return Made(folder / "store", data=data, model={"units": 16}, training={**QUICK, "epochs": 12})


def test_a_wave_with_a_trend_is_held_against_the_same_step_of_the_season_before(series):
    assert series.scores["baseline"] == "seasonal"
    assert series.scores["mae"] < series.scores["baseline_mae"]["last_value"] / 2
    assert set(series.scores) >= {"mae", "rmse", "smape", "mase", "relative_mae"}
    assert "times the error of the best simple forecast, repeating the last season" in series.page


def test_forecasts_and_their_errors_are_in_the_users_units(series):
    """The predictions of differences are the user's own values again."""
    target, prediction = (np.array(series.predictions[name].to_pylist()) for name in ("target", "prediction"))
    rows = series.predictions["row"].to_pylist()
    for row, values in zip(rows, target[:, :, 0], strict=True):
        expected = [100 + 0.05 * i + 10 * np.sin(i * np.pi / 6) for i in range(row, row + 3)]
        assert values.tolist() == pytest.approx(expected, abs=1e-5)
    error = np.abs(target - prediction)
    assert series.scores["mae"] == pytest.approx(error.mean())
    level = np.array([100 + 0.05 * i + 10 * np.sin(i * np.pi / 6) for i in range(500)])
    last = level[np.array(rows) - 1][:, None]
    naive = np.abs(target[:, :, 0] - last).mean()
    assert series.scores["baseline_mae"]["last_value"] == pytest.approx(naive, rel=1e-4)
    seasonal = np.abs(target[:, :, 0] - level[np.array(rows)[:, None] + np.arange(3) - 12]).mean()
    assert series.scores["relative_mae"] == pytest.approx(error.mean() / seasonal, rel=1e-3)


def test_mase_is_over_the_naive_error_of_training_at_the_season(series):
    level = np.array([100 + 0.05 * i + 10 * np.sin(i * np.pi / 6) for i in range(400)])
    used = np.delete(np.arange(400), 50)
    pairs = [i for i in used if i - 12 in used and (i < 50 or i - 12 > 50)]
    scale = np.abs(level[pairs] - level[np.array(pairs) - 12]).mean()
    assert series.scores["mase"] == pytest.approx(series.scores["mae"] / scale, rel=1e-4)


def test_the_report_of_a_series_says_how_its_rows_were_used(series):
    account = series.account
    assert account["read"] == 500 == account["windows"] + account["history_only"] + account["rejected"]
    assert series.said("rows read") == "500"
    assert series.said("windows") == str(account["windows"])
    assert series.said("rows that are only history") == str(account["history_only"])
    assert series.said("rejected because: source type") == "1"
    assert series.said("pairs: test") == str(series.scores["n_evaluated"])
    assert "broken" in series.page


def facts(source=10, target=10):
    sides = [SideFacts(encoding="words", vocabulary=size, length=3) for size in (source, target)]
    return DatasetFacts(
        kind="files", train_rows=1, validation_rows=1, evaluation_rows=1, rejected_rows=0, source=sides[0],
        target=sides[1], masked=True,
    )  # fmt: skip


@pytest.mark.parametrize("side", ["source", "target"])
def test_one_hot_vectors_of_a_large_vocabulary_are_refused_with_what_to_set(side):
    with pytest.raises(SettingsError) as error:
        check_one_hot(facts(**{side: MAX_ONE_HOT + 1}), ModelSettings(embedding=0))
    for part in ("model.embedding is 0", "10001 ids", "0.4 GB", "data.max_vocabulary"):
        assert part in str(error.value)
    check_one_hot(facts(**{side: MAX_ONE_HOT}), ModelSettings(embedding=0))
    check_one_hot(facts(**{side: MAX_ONE_HOT + 1}), ModelSettings(embedding=1))


def test_training_refuses_one_hot_vectors_of_a_large_vocabulary(tmp_path):
    pairs = [{"source": [i], "target": [i % 5]} for i in range(2 * MAX_ONE_HOT)]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(pair) + "\n" for pair in pairs))
    experiment = check_experiment({"data": {"train": tmp_path / "a.jsonl"}, "model": {"embedding": 0}})
    dataset = generate_dataset.fn(experiment, tmp_path / "store")
    with pytest.raises(SettingsError, match=r"model\.embedding is 0"):
        train_model.fn(experiment, dataset, tmp_path / "store")
    assert not list((tmp_path / "store").glob("training/*"))


def test_a_dataset_that_cannot_be_made_leaves_nothing_in_the_store(tmp_path):
    (tmp_path / "a.csv").write_text("source,target\n1,2\n1,\n")
    experiment = check_experiment({"data": {"train": tmp_path / "a.csv"}})
    with pytest.raises(DataError, match=r"a\.csv +2  target_empty"):
        generate_dataset.fn(experiment, tmp_path / "store")
    assert not list((tmp_path / "store").glob("dataset/*"))
