"""What predictions attended to: known weights come out, and those of every kind of attention are those of its decode."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops
from tasks.seq2seq.models.predictor import Predictor

from tasks.reporting.figures import attention_figure
from tasks.seq2seq.arrays.sequences import Pairs, Sequences
from tasks.seq2seq.data.codecs import Codecs
from tasks.seq2seq.data.scaling import Scaling
from tasks.seq2seq.data.vocabulary import Vocabulary
from tasks.seq2seq.inference.attention_maps import map_attention
from tasks.seq2seq.models.encoder_decoder import build_models, split_encoded
from tasks.seq2seq.settings.architecture import Architecture, Side
from tasks.seq2seq.settings.decoding import DecodingSettings
from tasks.seq2seq.settings.model import ModelSettings

LETTERS = Vocabulary("characters", ("a", "b", "c", "d"))  # ids 4 to 7
CODECS = Codecs(LETTERS, LETTERS)


def ids(*texts):
    return Sequences.of_lengths(
        np.concatenate([LETTERS.encode(np.array([ord(letter) for letter in text], np.int64)) for text in texts]),
        np.array([len(text) for text in texts]),
    )


def pointing_models() -> tuple[keras.Model, keras.Model]:
    """A decoder that attends to where the symbol that it is given stands in the source: ln 3 there, else 0."""
    source, decoder_input = (
        keras.Input((None,), dtype="int32"),
        keras.Input((None,), dtype="int32", name="decoder_input"),
    )
    rows = ops.one_hot(source, LETTERS.size)
    state, memory = keras.Input((2,), name="state_h"), keras.Input((None, LETTERS.size), name="memory")
    mask = keras.Input((None,), dtype="bool", name="memory_mask")
    encoder = keras.Model(source, [ops.zeros_like(rows[:, 0, :2]), rows, ops.not_equal(source, 0)])
    asked = ops.one_hot(decoder_input, LETTERS.size)
    weights = ops.softmax(
        math.log(3.0) * ops.matmul(asked, ops.transpose(memory, (0, 2, 1))) + ops.cast(mask, "float32")[:, None]
    )
    return encoder, keras.Model([decoder_input, state, memory, mask], [asked, state, weights])


def test_the_weights_of_a_decoder_that_points_are_known():
    """The first step is given start, which stands nowhere; each later one the symbol that was predicted before."""
    one, other = map_attention(*pointing_models(), CODECS, Pairs(ids("abc", "dd"), ids("ca", "d")))
    assert (one.source, one.predicted) == (["a", "b", "c", "<end>"], ["c", "a", "<end>"])
    expected = [[1 / 4] * 4, [1 / 6, 1 / 6, 3 / 6, 1 / 6], [3 / 6, 1 / 6, 1 / 6, 1 / 6]]
    np.testing.assert_allclose(one.weights, expected, atol=1e-6)
    assert (other.source, other.predicted) == (["d", "d", "<end>"], ["d", "<end>"])
    np.testing.assert_allclose(other.weights, [[1 / 3] * 3, [3 / 7, 3 / 7, 1 / 7]], atol=1e-6)


def test_a_prediction_that_was_cut_has_no_end_to_attend_from():
    pairs = Pairs(ids("abc", "abc"), ids("ca", "ca"))
    whole, cut = map_attention(*pointing_models(), CODECS, pairs, np.array([True, False]))
    assert (whole.predicted, cut.predicted) == (["c", "a", "<end>"], ["c", "a"])
    assert (cut.weights == whole.weights[:2]).all()


def test_maps_are_json_with_rounded_weights():
    (found,) = map_attention(*pointing_models(), CODECS, Pairs(ids("ab"), ids("")))
    assert found.to_json() == {"source": ["a", "b", "<end>"], "predicted": ["<end>"], "weights": [[0.3333] * 3]}


def models(source, target, **settings):
    keras.utils.set_random_seed(0)
    made = build_models(Architecture(source, target, True, ModelSettings(units=8, embedding=4, **settings)))
    for weight in made.train.weights:  # larger than those to begin with, so that attention is uneven
        weight.assign(5.0 * weight)
    return made


KINDS = {
    "dot, greedy": ("greedy", {"attention": "luong_dot"}),
    "general, fed, two layers, beam": (
        "beam", {"attention": "luong_general", "input_feeding": True, "layers": 2, "cell": "gru"},
    ),
    "bahdanau, beam": ("beam", {"attention": "bahdanau", "bidirectional": True}),
}  # fmt: skip


@pytest.mark.parametrize(("method", "settings"), KINDS.values(), ids=KINDS)
def test_the_weights_are_those_of_the_steps_of_the_decode(method, settings):
    """The decoder, asked again for each token of what was predicted with its own state, as decoding does."""
    made, source = models(Side(LETTERS.size), Side(LETTERS.size), **settings), ids("abca", "d")
    decoding = DecodingSettings(method=method)
    predictor = Predictor(made.encoder, made.decoder, CODECS, 6, decoding, xla=False)
    predictions = predictor.predict(source)
    assert predictions.at_limit is not None
    found = map_attention(
        made.encoder, made.decoder, CODECS, Pairs(source, predictions.sequences), ~predictions.at_limit
    )
    for i, text in enumerate(("abca", "d")):
        encoded = np.array([[*ids(text).values, LETTERS.end]], np.int32)
        state, memory = split_encoded(made.encoder(encoded), made.decoder)
        token, rows = LETTERS.start, []
        for predicted in (*predictions.sequences[i], LETTERS.end):
            _, *state, weights = made.decoder([tf.constant([[token]]), *state, *memory])
            rows.append(weights.numpy()[0, 0])
            token = predicted
        np.testing.assert_allclose(found[i].weights, rows[: len(found[i].predicted)], atol=1e-5)
        assert np.ptp(found[i].weights) > 0.03


def test_a_model_without_attention_has_no_maps():
    made = models(Side(LETTERS.size), Side(LETTERS.size))
    assert map_attention(made.encoder, made.decoder, CODECS, Pairs(ids("ab"), ids("a"))) == []


def test_steps_of_vectors_are_numbered():
    scaling = Scaling((0.0,), (1.0,), (-1.0,), (1.0,))
    made = models(Side(features=1), Side(features=1), attention="luong_dot")
    pairs = Pairs.of_rows(np.zeros((1, 3, 1)), np.ones((1, 2, 1)))
    (found,) = map_attention(made.encoder, made.decoder, Codecs(scaling, scaling), pairs)
    assert (found.source, found.predicted, found.weights.shape) == (["1", "2", "3"], ["1", "2"], (2, 3))


def ticks(axis):
    return [label.get_text() for label in axis.get_ticklabels()]


def test_the_picture_has_the_weights_with_the_source_across_and_the_prediction_down():
    weights = np.array([[0.1, 0.9, 0], [0, 0.5, 0.5]])
    axes = attention_figure(["a", "$b$", "<end>"], ["x", "<end>"], weights).axes[0]
    assert (ticks(axes.xaxis), ticks(axes.yaxis)) == (["a", "$b$", "<end>"], ["x", "<end>"])
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("source", "predicted")
    assert (axes.images[0].get_array() == weights).all()
    assert axes.images[0].get_clim() == (0, 1)
    assert axes.yaxis_inverted()


def test_more_symbols_than_can_be_read_are_numbered():
    axes = attention_figure(["a"] * 31, ["b"] * 30, np.zeros((30, 31))).axes[0]
    assert "a" not in ticks(axes.xaxis)
    assert ticks(axes.yaxis) == ["b"] * 30
