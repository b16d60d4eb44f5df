import contextlib
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from tasks.seq2seq.models.encoder_decoder import build_models
from tasks.seq2seq.models.tensors import UNROLLED_STEPS
from tasks.seq2seq.settings.architecture import Architecture, Side
from tasks.seq2seq.settings.model import ModelSettings
from tasks.seq2seq.training.unrolling import MOST_STEPS, Lengths, unrolled

VOCABULARY = 7
LENGTHS = Lengths(6, 3)
KINDS: dict[str, dict[str, Any]] = {
    "two directions, two layers and attention": {"layers": 2, "bidirectional": True, "attention": "luong_general"},
    "gru": {"cell": "gru"},
    "input feeding": {"layers": 2, "attention": "bahdanau", "input_feeding": True, "residual": True},
}


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(KINDS["two directions, two layers and attention"], marks=pytest.mark.slow),
        KINDS["gru"],
        pytest.param(KINDS["input feeding"], marks=pytest.mark.exhaustive),
    ],
    ids=list(KINDS),
)
def model(request):
    keras.utils.set_random_seed(1)
    side = Side(VOCABULARY)
    settings = ModelSettings(units=8, embedding=4, **request.param)
    return build_models(Architecture(side, side, True, settings)).train


def traced(model, lengths):
    """The graph of outputs and gradients, over sequences of these lengths; None: of any."""

    def learn(source, decoder_input):
        with tf.GradientTape() as tape:
            logits = model([source, decoder_input], training=True)
            loss = tf.reduce_mean(tf.square(logits))
        return logits, [tf.convert_to_tensor(part) for part in tape.gradient(loss, model.trainable_variables)]

    specs = [tf.TensorSpec((None, steps), tf.int32) for steps in lengths or (None, None)]
    return tf.function(learn).get_concrete_function(*specs)


def loops(graph):
    return sum("While" in operation.type for operation in graph.graph.get_operations())


def test_written_out_a_model_says_and_learns_the_same_as_in_loops(model):
    rng = np.random.default_rng(0)
    source, decoder_input = (tf.constant(rng.integers(1, VOCABULARY, (5, n), dtype=np.int32)) for n in LENGTHS)
    looped = traced(model, None)
    with unrolled(model, LENGTHS):
        written_out = traced(model, LENGTHS)
    assert loops(looped) > 0
    assert loops(written_out) == 0
    expected, found = (tf.nest.flatten(graph(source, decoder_input)) for graph in (looped, written_out))
    for one, other in zip(expected, found, strict=True):
        assert other.numpy() == pytest.approx(one.numpy(), abs=1e-6)


def test_after_it_the_layers_are_as_they_were_whatever_happened(model):
    with contextlib.suppress(KeyboardInterrupt), unrolled(model, LENGTHS):
        raise KeyboardInterrupt
    before = [layer.get_config() for layer in model.layers]
    with unrolled(model, LENGTHS):
        pass
    assert [layer.get_config() for layer in model.layers] == before
    assert "'unroll': True" not in str(before)


@pytest.mark.parametrize("lengths", [None, Lengths(MOST_STEPS + 1, 3), Lengths(3, MOST_STEPS + 1)])
def test_long_sequences_and_those_of_any_length_stay_in_loops(model, lengths):
    assert MOST_STEPS >= UNROLLED_STEPS  # so that input feeding is in a loop here, too
    with unrolled(model, lengths):
        graph = traced(model, lengths)
    assert loops(graph) > 0
