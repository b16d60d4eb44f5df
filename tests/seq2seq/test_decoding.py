import math

import keras
import numpy as np
import pytest

from tasks.seq2seq.architecture import Architecture
from tasks.seq2seq.decoding import Predictor, decode_graph, greedy, model_step
from tasks.seq2seq.models import build_models

# The probability of each next token (column) after each token (row): from 0 the greedy path is 2, 1, 3.
NEXT = np.array([[0.1, 0.2, 0.6, 0.1], [0.2, 0.1, 0.2, 0.5], [0.3, 0.4, 0.2, 0.1], [0.7, 0.1, 0.1, 0.1]], np.float32)


def table_step(tokens, state):
    """Logits are log-probabilities but for a constant, as a model's are."""
    tokens = np.asarray(tokens)
    return np.log(NEXT[tokens]) + 5, [*state, tokens.tolist()]


def ids(*tokens):
    return np.array(tokens, np.int32)


def test_greedy_takes_the_likeliest_token_at_each_step():
    tokens, _ = greedy(table_step, [], ids(0), n_steps=3)
    assert np.asarray(tokens).tolist() == [[2, 1, 3]]
    assert np.asarray(tokens).dtype == np.int32


def test_the_log_probability_is_the_sum_along_the_path():
    _, log_probability = greedy(table_step, [], ids(0), n_steps=3)
    assert np.asarray(log_probability) == pytest.approx([math.log(0.6 * 0.4 * 0.5)])


def test_each_sequence_of_a_batch_goes_its_own_way():
    tokens, log_probability = greedy(table_step, [], ids(0, 1, 3), n_steps=2)
    assert np.asarray(tokens).tolist() == [[2, 1], [3, 0], [0, 2]]
    assert np.exp(log_probability) == pytest.approx([0.6 * 0.4, 0.5 * 0.7, 0.7 * 0.6])


def test_the_step_function_is_given_its_last_tokens_and_state():
    seen = []

    def step(tokens, state):
        seen.append(state)
        return table_step(tokens, state)

    greedy(step, [], ids(0, 1), n_steps=3)
    assert seen == [[], [[0, 1]], [[0, 1], [2, 3]]]


@pytest.fixture(scope="module")
def models():
    keras.utils.set_random_seed(0)
    return build_models(Architecture(source_vocabulary=12, target_vocabulary=9, units=16, embedding=8))


@pytest.fixture(scope="module")
def sources():
    return np.random.default_rng(0).integers(1, 12, (2100, 5), dtype=np.int32)


@pytest.fixture(scope="module")
def predictor(models):
    return Predictor(models.encoder, models.decoder, start=1, n_steps=4)


@pytest.fixture(scope="module")
def whole(predictor, sources):
    return predictor.predict(sources)


def decode_in_python(models, source, start, n_steps):
    """One source at a time, one call a step, probabilities in 64 bits."""
    state, token, tokens, log_probability = models.encoder(source[None]), start, [], 0.0
    for _ in range(n_steps):
        logits, *state = models.decoder([keras.ops.convert_to_tensor([[token]], "int32"), *state])
        logits = np.asarray(logits, np.float64)[0, 0]
        token = int(logits.argmax())
        log_probability += math.log(math.exp(logits[token]) / np.exp(logits).sum())
        tokens.append(token)
    return tokens, log_probability


def test_the_predictor_equals_a_plain_loop_over_the_models(models, sources, whole):
    for i in (0, 1, 31, 32, 1023, 1024, 2099):
        tokens, log_probability = decode_in_python(models, sources[i], start=1, n_steps=4)
        assert whole[0][i].tolist() == tokens
        assert whole[1][i] == pytest.approx(log_probability, abs=1e-5)


@pytest.mark.parametrize("size", [1, 2, 31, 32, 33, 256, 257, 1023, 1024, 1025])
def test_a_prediction_does_not_depend_on_its_batch(predictor, sources, whole, size):
    tokens, log_probability = predictor.predict(sources[:size])
    assert np.array_equal(tokens, whole[0][:size])
    assert log_probability == pytest.approx(whole[1][:size], abs=1e-6)


def test_a_prediction_does_not_depend_on_its_place(predictor, sources, whole):
    order = np.random.default_rng(1).permutation(len(sources))
    tokens, log_probability = predictor.predict(sources[order])
    assert np.array_equal(tokens, whole[0][order])
    assert log_probability == pytest.approx(whole[1][order], abs=1e-6)


def test_a_prediction_is_the_same_with_and_without_xla(models, sources, whole):
    tokens, log_probability = Predictor(models.encoder, models.decoder, 1, 4, xla=False).predict(sources)
    assert np.array_equal(tokens, whole[0])
    assert log_probability == pytest.approx(whole[1], abs=1e-5)


def test_predictions_have_the_promised_shapes_and_types(whole):
    tokens, log_probability = whole
    assert (tokens.shape, tokens.dtype) == ((2100, 4), np.int32)
    assert (log_probability.shape, log_probability.dtype) == ((2100,), np.float32)
    assert (log_probability < 0).all()


def test_decoding_starts_from_the_start_token(models, sources):
    for start in (1, 5):
        tokens, _ = decode_graph(models.encoder, models.decoder, start, n_steps=4)(sources[:1])
        assert np.asarray(tokens).tolist() == [decode_in_python(models, sources[0], start, 4)[0]]


def test_a_models_step_takes_tokens_and_gives_logits_and_the_next_state(models, sources):
    state = models.encoder(sources[:3])
    logits, after = model_step(models.decoder)(keras.ops.ones(3, "int32"), state)
    assert logits.shape == (3, 9)
    assert [part.shape for part in after] == [(3, 16), (3, 16)]
    assert not np.allclose(after[0], state[0])
