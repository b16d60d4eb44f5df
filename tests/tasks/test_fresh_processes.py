"""A model of any kind is of use to processes that did not make it, whatever they do with it first."""

import functools

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

USES = {
    "predicts a file": predict_a_file,
    "predicts in a notebook": predict_in_a_notebook,
    "decodes as the page of exports says": decode_as_the_page_says,
    "evaluates it again": evaluate_again,
    "runs its graphs as the page of exports says": run_the_graphs_as_the_page_says,
    "exports it to ONNX": export_to_onnx,
    "exports it as a SavedModel": export_to_a_saved_model,
}


# By default all uses of one kind, and of two others the one in which all of a model is loaded and asked.
BY_DEFAULT = {"plain": {*USES}, "one-hot with input feeding": {"predicts a file"}, "bahdanau": {"predicts a file"}}


def case(kind, use, *more):
    """A kind of model and a use of it, by their names."""
    marks = () if use in BY_DEFAULT.get(kind, ()) else pytest.mark.exhaustive
    return pytest.param(kind, *more, id=f"{kind}-{use}", marks=marks)


each_kind = pytest.mark.parametrize("kind", [case(name, "evaluates it again") for name in KINDS])


@pytest.fixture(scope="module")
def make(tmp_path_factory):
    """Gives the model of a kind, which one process trained and promoted."""

    @functools.cache
    def make(name):
        folder, rng, kind = tmp_path_factory.mktemp("made"), np.random.default_rng(0), KINDS[name]
        rows = [" ".join(map(str, rng.integers(4, size=rng.integers(2, 4)))) for _ in range(400)]
        (folder / "a.csv").write_text("source,target\n" + "".join(f"{row},{row[::-1]}\n" for row in rows))
        shared = kind.get("share_embeddings", False)
        data = {"shared_vocabulary": shared, "test_fraction": 0.2, "validation_fraction": 0}
        settings = {
            "data": {"train": folder / "a.csv", **data},
            "model": {"units": 8, "embedding": 4, **kind},
            "training": {"epochs": 6, "batch_size": 16, "learning_rate": 0.03},
        }
        return in_a_fresh_process(train, settings, folder / "store")

    return make


@pytest.fixture(scope="module")
def make_another(make):
    """Gives the digest of a model that a second process trained from the first one, and of what it started from."""
    return functools.cache(lambda name: in_a_fresh_process(train_from, make(name)))


@pytest.mark.parametrize(("kind", "use"), [case(kind, name, use) for kind in KINDS for name, use in USES.items()])
def test_a_process_that_did_not_train_the_model_gets_the_same_answers(make, kind, use):
    made = make(kind)
    assert in_a_fresh_process(use, made) == made.predictions


@each_kind
def test_a_process_that_did_not_train_the_model_trains_another_from_it(make, make_another, kind):
    digest, start = make_another(kind)
    assert start == make(kind).digest != digest


@each_kind
def test_a_process_that_trained_neither_of_two_models_compares_them(make, make_another, kind):
    made, (digest, _) = make(kind), make_another(kind)
    assert in_a_fresh_process(compare_with, made, digest) == len(made.sources)


def test_keras_knows_every_layer_of_ours_wherever_a_bundle_is_loaded():
    """A layer in a module that nobody imports before would be found by the training process only."""
    known, ours = in_a_fresh_process(registered_layers)
    assert known == ours != set()
