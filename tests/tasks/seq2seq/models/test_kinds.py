"""Every kind of model: that its parts fit, and that it says the same however it is asked."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

from tasks.seq2seq.data.codecs import Codecs
from tasks.seq2seq.data.vocabulary import Vocabulary
from tasks.seq2seq.models.encoder_decoder import build_models, n_states, split_encoded
from tasks.seq2seq.models.warm_start import carry_over
from tasks.seq2seq.settings.architecture import Architecture, Side, memory_names, state_names
from tests.helpers.kinds import KINDS, drawn_kinds, settings_of

VOCABULARY = 7
SOURCE = np.array([[1, 2, 3, 6, 0, 0], [4, 4, 2, 1, 3, 6]], np.int32)
DECODER_INPUT = np.array([[5, 2, 3], [5, 1, 2]], np.int32)
TARGET = np.array([[2, 3, 1], [1, 2, 4]], np.int32)


def models_of(vocabulary=VOCABULARY, **changes):
    side = Side(vocabulary)
    return build_models(Architecture(side, side, True, settings_of(changes)))


RARE = ("deeper encoder, narrower decoder", "input feeding")  # each part of which another kind has, too
EVERY_KIND = [
    pytest.param(kind, id=name, marks=pytest.mark.exhaustive if name in RARE else ()) for name, kind in KINDS.items()
]
EVERY_KIND += [
    pytest.param(kind, id=f"drawn {number}", marks=pytest.mark.exhaustive)
    for number, kind in enumerate(itertools.islice(drawn_kinds(), 24))
]


@pytest.fixture(scope="module", params=EVERY_KIND)
def settings(request):
    return settings_of(request.param)


@pytest.fixture(scope="module")
def models(settings):
    keras.utils.set_random_seed(1)
    return build_models(Architecture(Side(VOCABULARY), Side(VOCABULARY), True, settings))


def taught_step_by_step(encoder, decoder):
    """Logits of the inference models, which are told the true tokens one by one."""
    steps = []
    state, memory = split_encoded(encoder(SOURCE), decoder)
    for tokens in DECODER_INPUT.T:
        logits, *after = decoder([tf.constant(tokens[:, None]), *state, *memory])
        state = after[: len(state)]
        steps.append(np.asarray(logits)[:, 0])
    return np.stack(steps, axis=1)


def test_the_models_have_the_states_and_the_memory_that_they_say(models, settings):
    names = [tensor.name for tensor in models.decoder.inputs]
    assert names == ["decoder_input", *state_names(settings), *memory_names(settings)]
    assert n_states(models.decoder) == len(state_names(settings))
    assert len(models.encoder.outputs) == len(names) - 1
    assert len(models.decoder.outputs) == 1 + n_states(models.decoder) + settings.attends


def test_the_inference_models_take_the_same_steps_as_the_training_model(models):
    taught = np.asarray(models.train([SOURCE, DECODER_INPUT]))
    assert taught_step_by_step(models.encoder, models.decoder) == pytest.approx(taught, abs=1e-6)


def test_padding_changes_nothing(models):
    alone = np.asarray(models.train([SOURCE[:1, :4], DECODER_INPUT[:1]]))
    assert alone == pytest.approx(np.asarray(models.train([SOURCE, DECODER_INPUT]))[:1], abs=1e-6)


def test_attention_is_a_share_of_each_step_that_is_there(models, settings):
    if not settings.attends:
        assert len(models.decoder.outputs) == 1 + n_states(models.decoder)
        return
    state, memory = split_encoded(models.encoder(SOURCE), models.decoder)
    *_, weights = models.decoder([tf.constant(DECODER_INPUT), *state, *memory])
    assert weights.shape == (2, 3, 6)
    assert np.sum(weights, axis=-1) == pytest.approx(np.ones((2, 3)), abs=1e-6)
    assert not np.asarray(weights)[0, :, 4:].any()
    assert np.asarray(weights)[0, :, :4].all()


def test_every_weight_learns(models):
    """One step of gradient descent: no layer is left out of what is trained."""
    before = [variable.numpy() for variable in models.train.trainable_variables]
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    models.train.compile(keras.optimizers.Adam(0.01), loss, run_eagerly=True)
    models.train.train_on_batch([SOURCE, DECODER_INPUT], TARGET)
    still = [
        variable.path
        for variable, old in zip(models.train.trainable_variables, before, strict=True)
        if np.array_equal(variable.numpy(), old)
    ]
    assert still == []


def test_saved_and_loaded_they_take_the_same_steps(models, tmp_path):
    loaded = []
    for name in ("encoder", "decoder"):
        getattr(models, name).save(tmp_path / f"{name}.keras")
        loaded.append(keras.saving.load_model(tmp_path / f"{name}.keras", compile=False, safe_mode=True))
    np.testing.assert_array_equal(taught_step_by_step(*loaded), taught_step_by_step(models.encoder, models.decoder))


def test_what_a_promoted_model_has_learnt_is_carried_over(settings, models, tmp_path):
    """From the saved models, though the ids have moved."""
    letters = Vocabulary("characters", ("a", "b", "c"))
    more = Vocabulary("characters", ("0", "a", "b", "c"))
    before, after = (models_of(codec.size, **settings.model_dump()) for codec in (letters, more))
    loaded = []
    for name in ("encoder", "decoder"):
        getattr(before, name).save(tmp_path / f"{name}.keras")
        loaded.append(keras.saving.load_model(tmp_path / f"{name}.keras", compile=False))
    carry_over(after.train, tuple(loaded), Codecs(letters, letters), Codecs(more, more))
    logits = []
    for train, codec in ((before.train, letters), (after.train, more)):
        a, b, c = (codec._ids[letter] for letter in "abc")
        taught = np.asarray(train([np.array([[a, c, codec.end]]), np.array([[codec.start, b]])]))
        logits.append(taught[..., [a, b, c, codec.end]])
    assert logits[0] == pytest.approx(logits[1], abs=1e-6)


@pytest.mark.parametrize(
    "dropped",
    [{"dropout": 0.5}, {"output_dropout": 0.5}, {"recurrent_dropout": 0.5}],
    ids=["inputs", "outputs", "recurrent state"],
)
@pytest.mark.parametrize("kind", ["plain", "input feeding"])
def test_dropout_is_for_training_alone(dropped, kind):
    kinds = {"plain": {}, "input feeding": {"attention": "luong_dot", "input_feeding": True}}
    train = models_of(**kinds[kind], layers=2, **dropped).train
    inputs = [SOURCE, DECODER_INPUT]
    once, again = (np.asarray(train(inputs)) for _ in range(2))
    assert np.array_equal(once, again)
    trained, otherwise = (np.asarray(train(inputs, training=True)) for _ in range(2))
    assert not np.allclose(trained, otherwise)
    assert not np.allclose(trained, once)


def test_an_attending_decoder_reads_what_its_scores_say():
    """Weights by hand: a dot product of the query with each step of the memory, then softmax."""
    models = models_of(attention="luong_dot")
    state, memory = split_encoded(models.encoder(SOURCE), models.decoder)
    _, *after, weights = models.decoder([tf.constant(DECODER_INPUT[:, :1]), *state, *memory])
    query = np.asarray(after[0])  # the only layer's output is its new state
    scores = np.einsum("bu,bsu->bs", query, np.asarray(memory[0]))
    scores[~np.asarray(memory[1])] = -np.inf
    expected = np.exp(scores - scores.max(axis=1, keepdims=True))
    expected /= expected.sum(axis=1, keepdims=True)
    assert np.asarray(weights)[:, 0] == pytest.approx(expected, abs=1e-6)


def test_the_first_layer_of_a_fed_decoder_is_given_what_was_attended_to():
    models = models_of(attention="luong_general", input_feeding=True)
    state, memory = split_encoded(models.encoder(SOURCE), models.decoder)
    first, *_ = models.decoder([tf.constant(DECODER_INPUT[:, :1]), *state, *memory])
    state[-1] = tf.ones_like(state[-1])
    other, *_ = models.decoder([tf.constant(DECODER_INPUT[:, :1]), *state, *memory])
    assert not np.allclose(first, other)
