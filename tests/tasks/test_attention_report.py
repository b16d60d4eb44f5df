"""What examples attended to, from training to the report."""

import numpy as np
import pytest

from tasks.check import check_dataset
from tasks.evaluate import evaluate_model
from tasks.export import export_model
from tasks.generate import generate_dataset
from tasks.report import write_report
from tasks.reporting.model_pictures import MAX_ATTENTION_MAPS
from tasks.seq2seq.settings.rules import check_experiment
from tasks.storage.files.json_files import load_json
from tasks.storage.store.promotions import Promotion
from tasks.train import train_model

GOOD = Promotion(name="copy", promoted=True, passed=True, decided_now=True, reason="good")


def run(store, n_examples, **settings):
    """The evaluation as it is stored, its handle's facts, and both forms of the report."""
    data = {"problem": "copy", "n_in": 5, "cardinality": 9, **settings.pop("data")}
    experiment = check_experiment({"data": data, "evaluation": {"n_samples": 20, "n_examples": n_examples}, **settings})
    dataset = generate_dataset.fn(experiment, store)
    training = train_model.fn(experiment, dataset, store)
    bundle = export_model.fn(experiment, dataset, training, store)
    evaluation = evaluate_model.fn(experiment, dataset, bundle, store)
    inputs = (dataset, check_dataset.fn(experiment, dataset, store), training, bundle, evaluation)
    report = write_report.fn(experiment, *inputs, GOOD, store)
    texts = [(report.path / name).read_text(encoding="utf-8") for name in ("report.html", "report.md")]
    return load_json(evaluation.path / "evaluation.json"), evaluation.facts, texts


def test_the_report_shows_what_the_first_examples_attended_to(tmp_path):
    found, facts, texts = run(
        tmp_path,
        n_examples=6,
        data={"n_samples": 200},
        model={"units": 8, "embedding": 4, "attention": "luong_dot"},
        decoding={"method": "beam", "beam_width": 2},
    )
    assert len(found["attention"]) == len(found["examples"]) == 6
    for example, attended in zip(found["examples"], found["attention"], strict=True):
        assert attended["source"] == [str(symbol) for symbol in example["source"]]
        assert attended["predicted"] == [str(symbol) for symbol in example["predicted"]]
        np.testing.assert_allclose(np.sum(attended["weights"], axis=1), np.ones(5), atol=1e-3)
    assert "attention" not in facts
    for text in texts:
        assert text.count("Map of attention in example ") == MAX_ATTENTION_MAPS


@pytest.mark.exhaustive
@pytest.mark.parametrize("score", ["luong_dot", "luong_general", "bahdanau"])
def test_a_model_that_learned_to_copy_attends_to_the_diagonal(tmp_path, score):
    found, facts, _ = run(
        tmp_path,
        n_examples=20,
        data={"n_samples": 40_000},
        model={"units": 32, "encoder_units": 16, "embedding": 16, "bidirectional": True, "attention": score},
        training={"epochs": 3, "batch_size": 64},
    )
    assert facts["scores"]["sequence_accuracy"] > 0.9
    weights = np.array([attended["weights"] for attended in found["attention"]])
    assert weights[:, np.arange(5), np.arange(5)].mean() > 0.45
