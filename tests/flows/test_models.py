"""Kinds of models from end to end: trained, exported, evaluated, and asked again by a batch prediction."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flows.batch_predict import main as predict
from flows.train_and_eval import main
from tests.helpers.batch_runs import column
from tests.helpers.processes import finish
from tests.helpers.tiny import TINY

KINDS = {
    "an attending GRU that is fed, from both directions": (
        "--model.cell", "gru", "--model.bidirectional", "true", "--model.attention", "bahdanau",
        "--model.dropout", "0.1", "--decoding.method", "beam", "--decoding.beam_width", "3",
    ),
    "two layers with everything between them": (
        "--model.layers", "2", "--model.residual", "true", "--model.layer_norm", "true", "--model.decoder_units", "24",
        "--model.attention", "luong_general", "--model.recurrent_dropout", "0.1", "--model.output_dropout", "0.1",
    ),
    "one table of embeddings for all": (
        "--model.share_embeddings", "true", "--model.tie_embeddings", "true", "--model.embedding", "32",
        "--data.shared_vocabulary", "true", "--model.attention", "luong_dot", "--model.input_feeding", "true",
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    """Sequences of 1 to 6 integers, and the same backwards."""
    rng = np.random.default_rng(0)
    source = [rng.integers(0, 8, rng.integers(1, 7)).tolist() for _ in range(2500)]
    path = tmp_path_factory.mktemp("pairs") / "pairs.parquet"
    pq.write_table(pa.table({"source": source, "target": [steps[::-1] for steps in source]}), path)
    return path


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(kind, marks=pytest.mark.slow if "GRU" in name else pytest.mark.exhaustive, id=name)
        for name, kind in KINDS.items()
    ],
)
def test_a_model_of_any_kind_learns_and_says_the_same_to_the_evaluation_and_to_a_batch(run, pairs, tmp_path, kind):
    code, summary, said = run(
        main, "--data.train", str(pairs), "--model.units", "32", "--model.embedding", "16", *kind,
        "--training.epochs", "12", "--training.batch_size", "64", "--training.learning_rate", "0.01",
        "--evaluation.min_sequence_accuracy", "0.5",
    )  # fmt: skip
    assert code == 0, said
    assert summary["promoted"], said
    (evaluation,) = (Path(step["path"]) for step in summary["steps"] if step["name"] == "evaluation")
    evaluated = pq.read_table(evaluation / "predictions.parquet").to_pylist()
    asked = tmp_path / "asked.parquet"
    pq.write_table(pa.table({"source": [row["source"] for row in evaluated]}), asked)
    code, _, said = run(predict, str(asked), "--output", str(tmp_path / "out"), "--settle", "0")
    assert code == 0, said
    answers = pq.read_table(tmp_path / "out" / "asked.parquet.parquet").to_pylist()
    assert [row["prediction"] for row in answers] == [row["prediction"] for row in evaluated]
    found = json.loads((evaluation / "evaluation.json").read_text())["scores"]["sequence_accuracy"]
    assert found == pytest.approx(np.mean([row["prediction"] == row["source"][::-1] for row in answers]))


@pytest.mark.slow
def test_a_model_with_attention_serves_the_commands_that_come_after_its_training(start_process, server, tmp_path):
    """Each is a process of its own, as night after night."""
    asked = tmp_path / "asked.jsonl"
    asked.write_text("".join(json.dumps({"source": [1 + i % 6, 2, 3, 4]}) + "\n" for i in range(12)))

    def start(name, *flags):
        store = ("--store", tmp_path / "store")
        return start_process("-m", f"flows.{name}", *flags, *store, PREFECT_API_URL=server)

    attending = (*TINY, "--model.attention", "luong_dot")
    code, said = finish(start("train_and_eval", *attending))
    assert code == 0, said
    # With other examples to show, the night evaluates again before it predicts.
    predicted = ("--predict.inputs", asked, "--predict.output", tmp_path / "night")
    night = start("nightly", *attending, "--evaluation.n_examples", "1", *predicted)
    for process in (start("batch_predict", asked, "--output", tmp_path / "batch"), night):
        code, said = finish(process)
        assert code == 0, said
    by_batch, by_night = (column(tmp_path / out / "asked.jsonl.parquet", "prediction") for out in ("batch", "night"))
    assert by_batch == by_night
    assert len(by_batch) == 12
    assert len(list((tmp_path / "store").glob("evaluation/*/evaluation.json"))) == 2


def test_what_does_not_fit_in_a_model_is_refused_all_together_before_data_is_read(run):
    code, summary, said = run(
        main, "--data.train", "/nowhere/pairs.csv", "--model.bridge", "copy", "--model.bidirectional", "true",
        "--model.tie_embeddings", "true", "--model.share_embeddings", "true", "--model.attention", "luong_dot",
        "--model.recurrent_dropout", "0.2", "--model.cudnn", "require", "--model.residual", "true",
    )  # fmt: skip
    assert (code, summary) == (2, None)
    for fault in (
        'model.bridge is "copy", but the encoder\'s outputs are 256 wide (two directions of 128)',
        'model.attention is "luong_dot"',
        "model.tie_embeddings is set, but target embeddings are 64 wide and the decoder has 128 units",
        "model.share_embeddings is set, but source and target have a vocabulary each",
        'model.cudnn is "require", but model.recurrent_dropout is 0.2',
        "model.residual is set, but there is one layer",
    ):
        assert fault in said
