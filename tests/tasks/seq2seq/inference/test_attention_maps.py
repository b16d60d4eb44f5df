"""What predictions attended to: known weights come out, and those of every kind of attention are those of its decode."""

from typing import Any

import numpy as np
import pytest

from tasks.seq2seq.arrays.sequences import Pairs, Sequences
from tasks.seq2seq.data.codecs import Codecs
from tasks.seq2seq.data.scaling import Scaling
from tasks.seq2seq.data.vocabulary import Vocabulary
from tasks.seq2seq.inference.attention_maps import map_attention
from tasks.seq2seq.inference.predictor import Predictor
from tasks.seq2seq.inference.search.step_function import Encoded
from tasks.seq2seq.settings.decoding import DecodingSettings
from tests.helpers.engines import architecture_of
from tests.helpers.kinds import settings_of
from tests.helpers.random_models import random_engine

LETTERS = Vocabulary("characters", ("a", "b", "c", "d"))  # ids 4 to 7
CODECS = Codecs(LETTERS, LETTERS)


def ids(*texts):
    return Sequences.of_lengths(
        np.concatenate([LETTERS.encode(np.array([ord(letter) for letter in text], np.int64)) for text in texts]),
        np.array([len(text) for text in texts]),
    )


class Pointing:
    """Stands in for an engine whose decoder attends to where the symbol that it is given stands in the source: ln 3
    there, else 0.
    """

    attends = True

    def encode(self, source):
        return Encoded([np.zeros((len(source), 1), np.float32)], [source])

    def attend(self, fed, state, memory):
        scores = np.where(memory[0] == fed[:, None], 3.0, 1.0)
        return (scores / scores.sum(axis=1, keepdims=True)).astype(np.float32), state


POINTING: Any = Pointing()


def test_the_weights_of_a_decoder_that_points_are_known():
    """The first step is given start, which stands nowhere; each later one the symbol that was predicted before."""
    one, other = map_attention(POINTING, CODECS, Pairs(ids("abc", "dd"), ids("ca", "d")))
    assert (one.source, one.predicted) == (["a", "b", "c", "<end>"], ["c", "a", "<end>"])
    expected = [[1 / 4] * 4, [1 / 6, 1 / 6, 3 / 6, 1 / 6], [3 / 6, 1 / 6, 1 / 6, 1 / 6]]
    np.testing.assert_allclose(one.weights, expected, atol=1e-6)
    assert (other.source, other.predicted) == (["d", "d", "<end>"], ["d", "<end>"])
    np.testing.assert_allclose(other.weights, [[1 / 3] * 3, [3 / 7, 3 / 7, 1 / 7]], atol=1e-6)


def test_a_prediction_that_was_cut_has_no_end_to_attend_from():
    pairs = Pairs(ids("abc", "abc"), ids("ca", "ca"))
    whole, cut = map_attention(POINTING, CODECS, pairs, np.array([True, False]))
    assert (whole.predicted, cut.predicted) == (["c", "a", "<end>"], ["c", "a"])
    assert (cut.weights == whole.weights[:2]).all()


def test_maps_are_json_with_rounded_weights():
    (found,) = map_attention(POINTING, CODECS, Pairs(ids("ab"), ids("")))
    assert found.to_json() == {"source": ["a", "b", "<end>"], "predicted": ["<end>"], "weights": [[0.3333] * 3]}


def engine(codecs, **settings):
    """Of large weights, so that attention is uneven."""
    return random_engine(architecture_of(codecs, settings_of(settings)), scale=3.0)


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
    made, source = engine(CODECS, **settings), ids("abca", "d")
    predictions = Predictor(made, CODECS, 6, DecodingSettings(method=method)).predict(source)
    assert predictions.at_limit is not None
    found = map_attention(made, CODECS, Pairs(source, predictions.sequences), ~predictions.at_limit)
    for i, text in enumerate(("abca", "d")):
        state, memory = made.encode(np.array([[*ids(text).values, LETTERS.end]], np.int32))
        token, rows = LETTERS.start, []
        for predicted in (*predictions.sequences[i], LETTERS.end):
            fed = np.array([token], np.int32)
            rows.append(made.attend(fed, state, memory)[0][0])
            _, state = made.step(fed, state, memory)
            token = predicted
        np.testing.assert_allclose(found[i].weights, rows[: len(found[i].predicted)], atol=1e-5)
        assert np.ptp(found[i].weights) > 0.03


def test_a_model_without_attention_has_no_maps():
    assert map_attention(engine(CODECS), CODECS, Pairs(ids("ab"), ids("a"))) == []


def test_steps_of_vectors_are_numbered():
    scaling = Scaling((0.0,), (1.0,), (-1.0,), (1.0,))
    codecs = Codecs(scaling, scaling)
    pairs = Pairs.of_rows(np.zeros((1, 3, 1)), np.ones((1, 2, 1)))
    (found,) = map_attention(engine(codecs, attention="luong_dot"), codecs, pairs)
    assert (found.source, found.predicted, found.weights.shape) == (["1", "2", "3"], ["1", "2"], (2, 3))
