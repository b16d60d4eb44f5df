"""A model of any kind is of use to processes that did not make it, whatever they do with it first."""

import numpy as np
import pytest

from tests.helpers.fresh_processes import (
    compare_with,
    decode_as_the_page_says,
    evaluate_again,
    export_to_a_saved_model,
    export_to_onnx,
    in_a_fresh_process,
    predict_a_file,
    predict_in_a_notebook,
    registered_layers,
    run_the_graphs_as_the_page_says,
    train,
    train_from,
)
from tests.tasks.seq2seq.models.test_kinds import KINDS

ALWAYS = ("plain", "one-hot with input feeding", "bahdanau")
EVERY_KIND = [
    pytest.param(kind, id=name, marks=() if name in ALWAYS else pytest.mark.exhaustive) for name, kind in KINDS.items()
]
USES = {
    "predicts a file": predict_a_file,
    "predicts in a notebook": predict_in_a_notebook,
    "decodes as the page of exports says": decode_as_the_page_says,
    "evaluates it again": evaluate_again,
    "runs its graphs as the page of exports says": run_the_graphs_as_the_page_says,
    "exports it to ONNX": export_to_onnx,
    "exports it as a SavedModel": export_to_a_saved_model,
}


@pytest.fixture(scope="module", params=EVERY_KIND)
def made(request, tmp_path_factory):
    """A model that one process trained and promoted."""
    folder, rng = tmp_path_factory.mktemp("made"), np.random.default_rng(0)
    rows = [" ".join(map(str, rng.integers(4, size=rng.integers(2, 4)))) for _ in range(400)]
    (folder / "a.csv").write_text("source,target\n" + "".join(f"{row},{row[::-1]}\n" for row in rows))
    shared = request.param.get("share_embeddings", False)
    data = {"shared_vocabulary": shared, "test_fraction": 0.2, "validation_fraction": 0}
    settings = {
        "data": {"train": folder / "a.csv", **data},
        "model": {"units": 8, "embedding": 4, **request.param},
        "training": {"epochs": 6, "batch_size": 16, "learning_rate": 0.03},
    }
    return in_a_fresh_process(train, settings, folder / "store")


@pytest.fixture(scope="module")
def another(made):
    """The digest of a model that a second process trained from the first one, and of what it says it started from."""
    return in_a_fresh_process(train_from, made)


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_a_process_that_did_not_train_the_model_gets_the_same_answers(made, use):
    assert in_a_fresh_process(use, made) == made.predictions


def test_a_process_that_did_not_train_the_model_trains_another_from_it(made, another):
    digest, start = another
    assert start == made.digest != digest


def test_a_process_that_trained_neither_of_two_models_compares_them(made, another):
    digest, _ = another
    assert in_a_fresh_process(compare_with, made, digest) == len(made.sources)


def test_keras_knows_every_layer_of_ours_wherever_a_bundle_is_loaded():
    """A layer in a module that nobody imports before would be found by the training process only."""
    known, ours = in_a_fresh_process(registered_layers)
    assert known == ours != set()
