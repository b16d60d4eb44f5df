import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from tasks.seq2seq import decoding
from tasks.seq2seq.architecture import Architecture, Side
from tasks.seq2seq.decoding import (
    UNROLLED_STEPS,
    Predictor,
    TeacherForced,
    decode_graph,
    forecast_graph,
    greedy,
    model_step,
)
from tasks.seq2seq.feeding import Codecs, source_array
from tasks.seq2seq.models import build_models
from tasks.seq2seq.scaling import Scaling
from tasks.seq2seq.sequences import Pairs, Sequences
from tasks.seq2seq.vocabulary import Vocabulary

# The probability of each next token (column) after each token (row): from 0 the greedy path is 2, 1, 3, 0, 2 ...
NEXT = np.array([[0.1, 0.2, 0.6, 0.1], [0.2, 0.1, 0.2, 0.5], [0.3, 0.4, 0.2, 0.1], [0.7, 0.1, 0.1, 0.1]], np.float32)
# What each step of a greedy path adds, by its token: 2 from 0, 1 from 2, 3 from 1, 0 from 3.
LIKELY = {2: 0.6, 1: 0.4, 3: 0.5, 0: 0.7}


def table_step(tokens, state):
    """Logits are log-probabilities but for a constant, as a model's are."""
    return tf.math.log(tf.gather(NEXT, tokens)) + 5, state


class Counted:
    """A table that counts the steps taken from it, in a graph too."""

    def __init__(self):
        self.steps = tf.Variable(0)

    def __call__(self, tokens, state):
        self.steps.assign_add(1)
        return table_step(tokens, state)


def ids(*tokens):
    return np.array(tokens, np.int32)


def decoded(start, n_steps, end=None, step=table_step, *, graph=False):
    """Tokens and probabilities."""
    decode = tf.function(greedy, autograph=False) if graph else greedy
    tokens, log_probability = decode(step, [], tf.constant(ids(*start)), n_steps, end)
    return np.asarray(tokens).tolist(), np.exp(log_probability)


def test_greedy_takes_the_likeliest_token_at_each_step():
    tokens, _ = greedy(table_step, [], ids(0), n_steps=3)
    assert np.asarray(tokens).tolist() == [[2, 1, 3]]
    assert np.asarray(tokens).dtype == np.int32


def test_the_log_probability_is_the_sum_along_the_path():
    _, log_probability = greedy(table_step, [], ids(0), n_steps=3)
    assert np.asarray(log_probability) == pytest.approx([math.log(0.6 * 0.4 * 0.5)])


def test_each_sequence_of_a_batch_goes_its_own_way():
    tokens, probability = decoded((0, 1, 3), 2)
    assert tokens == [[2, 1], [3, 0], [0, 2]]
    assert probability == pytest.approx([0.6 * 0.4, 0.5 * 0.7, 0.7 * 0.6])


def test_the_step_function_is_given_its_last_tokens_and_state():
    seen = []

    def step(tokens, state):
        seen.append((np.asarray(tokens).tolist(), state))
        return table_step(tokens, state + 1)

    greedy(step, 0, ids(0, 1), n_steps=3)
    assert seen == [([0, 1], 0), ([2, 3], 1), ([1, 0], 2)]


@pytest.mark.parametrize("n_steps", [UNROLLED_STEPS, UNROLLED_STEPS + 1, 2 * UNROLLED_STEPS])
def test_a_long_decode_goes_on_as_a_short_one_begins(n_steps):
    """Beyond some steps a loop takes over."""
    (tokens,), probability = decoded((0,), n_steps, graph=True)
    assert tokens == [[2, 1, 3, 0][i % 4] for i in range(n_steps)]
    assert probability == pytest.approx([math.prod(LIKELY[token] for token in tokens)], rel=1e-4)


def test_the_loop_hands_the_state_on():
    """A state that counts down picks the token; without an end and with one."""

    def step(tokens, state):
        return tf.one_hot(tf.minimum(state, 3), 4) * 9, state - 1

    for end, n_steps in ((None, 20), (0, 20)):
        tokens, _ = greedy(step, tf.constant([5, 2]), tf.constant(ids(1, 1)), n_steps, end)
        assert np.asarray(tokens)[:, :6].tolist() == [[3, 3, 3, 2, 1, 0], [2, 1, 0, 0, 0, 0]]


@pytest.mark.parametrize("graph", [False, True])
def test_a_sequence_that_has_ended_keeps_its_end_and_its_log_probability(graph):
    """With 3 as the end, one takes three steps, one a single step, and one four; the end's own step counts."""
    tokens, probability = decoded((0, 1, 3), 6, end=3, graph=graph)
    assert tokens == [[2, 1, 3, 3, 3, 3], [3, 3, 3, 3, 3, 3], [0, 2, 1, 3, 3, 3]]
    assert probability == pytest.approx([0.6 * 0.4 * 0.5, 0.5, 0.7 * 0.6 * 0.4 * 0.5])


@pytest.mark.parametrize(("n_steps", "tokens"), [(2, [2, 1]), (3, [2, 1, 3]), (4, [2, 1, 3, 3])])
def test_an_end_at_the_last_step_is_an_end_and_a_missing_one_is_none(n_steps, tokens):
    """Where the end and the largest length meet in one step, the sequence still ends."""
    found, probability = decoded((0,), n_steps, end=3)
    assert found == [tokens]
    assert probability == pytest.approx([0.6 * 0.4 if n_steps == 2 else 0.6 * 0.4 * 0.5])


@pytest.mark.parametrize("graph", [False, True])
@pytest.mark.parametrize(("start", "steps"), [((1,), 1), ((0, 1), 3), ((3, 0), 4)])
def test_no_step_is_taken_once_all_have_ended(start, steps, graph):
    counted = Counted()
    tokens, _ = decoded(start, 50, end=3, step=counted, graph=graph)
    assert int(counted.steps) == steps
    assert np.shape(tokens) == (len(start), 50)


def test_no_more_steps_are_taken_than_asked_for():
    counted = Counted()
    decoded((0,), 2, end=3, step=counted)
    assert int(counted.steps) == 2


def test_without_an_end_every_step_is_taken():
    """The token 3 ends nothing here, in the loop as little as before it."""
    for n_steps in (5, 30):
        counted = Counted()
        decoded((0,), n_steps, step=counted, graph=True)
        assert int(counted.steps) == n_steps


IDENTITY = Codecs(Vocabulary.identity(11), Vocabulary.identity(8))
LEARNED = Codecs(*[Vocabulary("integers", tuple(range(size))) for size in (8, 5)])
SCALING = Scaling(mean=(5.0, -2.0), deviation=(2.0, 0.5), low=(0.0, -3.0), high=(9.0, 0.0))
N_STEPS = 4


def side(codec):
    return Side(codec.size) if isinstance(codec, Vocabulary) else Side(features=codec.features)


def build(codecs, *, masked):
    """Weights twice as large as at first, so that answers differ."""
    keras.utils.set_random_seed(0)
    models = build_models(Architecture(side(codecs.source), side(codecs.target), 16, embedding=8, masked=masked))
    models.train.set_weights([2 * weights for weights in models.train.get_weights()])
    return models


@pytest.fixture(scope="module")
def models():
    return build(IDENTITY, masked=False)


@pytest.fixture(scope="module")
def sources():
    return Sequences.of_rows(np.random.default_rng(0).integers(1, 12, (1100, 5), dtype=np.int32))


@pytest.fixture(scope="module")
def predictor(models):
    return Predictor(models.encoder, models.decoder, IDENTITY, N_STEPS)


@pytest.fixture(scope="module")
def whole(predictor, sources):
    return predictor.predict(sources)


def decode_in_python(models, source, codecs, n_steps):
    """One source at a time, one call a step, probabilities in 64 bits; ends before the end id."""
    end = codecs.target.end
    state, token = models.encoder(source_array(source, codecs.source)), codecs.target.start
    tokens, log_probability = [], 0.0
    for _ in range(n_steps):
        logits, *state = models.decoder([keras.ops.convert_to_tensor([[token]], "int32"), *state])
        logits = np.asarray(logits, np.float64)[0, 0]
        token = int(logits.argmax())
        log_probability += math.log(math.exp(logits[token]) / np.exp(logits).sum())
        if token == end:
            break
        tokens.append(token)
    return tokens, log_probability


def rows_of(sequences):
    return [sequences[i].tolist() for i in range(len(sequences))]


def test_the_predictor_equals_a_plain_loop_over_the_models(models, sources, whole):
    for i in (0, 1, 31, 32, 511, 512, 1099):
        tokens, log_probability = decode_in_python(models, sources.part(i, i + 1), IDENTITY, N_STEPS)
        assert whole.sequences[i].tolist() == tokens
        assert whole.log_probability[i] == pytest.approx(log_probability, abs=1e-5)


@pytest.mark.parametrize("size", [1, 2, 31, 32, 33, 256, 257, 511, 512, 513])
def test_a_prediction_does_not_depend_on_its_batch(predictor, sources, whole, size):
    predictions = predictor.predict(sources.part(0, size))
    assert rows_of(predictions.sequences) == rows_of(whole.sequences.part(0, size))
    assert predictions.log_probability == pytest.approx(whole.log_probability[:size], abs=1e-6)


def test_a_prediction_does_not_depend_on_its_place(predictor, sources, whole):
    order = np.random.default_rng(1).permutation(len(sources))
    predictions = predictor.predict(sources.take(order))
    assert rows_of(predictions.sequences) == rows_of(whole.sequences.take(order))
    assert predictions.log_probability == pytest.approx(whole.log_probability[order], abs=1e-6)


def test_a_prediction_is_the_same_with_and_without_xla(models, sources, whole):
    without = Predictor(models.encoder, models.decoder, IDENTITY, N_STEPS, xla=False).predict(sources)
    assert np.array_equal(without.sequences.values, whole.sequences.values)
    assert without.log_probability == pytest.approx(whole.log_probability, abs=1e-5)


def test_predictions_have_the_promised_shapes_and_types(whole):
    assert (whole.sequences.padded().shape, whole.sequences.values.dtype) == ((1100, N_STEPS), np.int32)
    assert (whole.log_probability.shape, whole.log_probability.dtype) == ((1100,), np.float32)
    assert (whole.log_probability < 0).all()


def test_decoding_starts_from_the_start_token(models, sources):
    for start in (1, 5):
        codecs = Codecs(IDENTITY.source, Vocabulary("integers", tuple(range(1, 9)), 1, 0, start, None, None))
        tokens, _ = decode_graph(models.encoder, models.decoder, start, N_STEPS, None)(sources.padded()[:1])
        assert np.asarray(tokens).tolist() == [decode_in_python(models, sources.part(0, 1), codecs, N_STEPS)[0]]


def test_a_models_step_takes_tokens_and_gives_logits_and_the_next_state(models, sources):
    state = models.encoder(sources.padded()[:3])
    logits, after = model_step(models.decoder)(keras.ops.ones(3, "int32"), state)
    assert logits.shape == (3, 9)
    assert [part.shape for part in after] == [(3, 16), (3, 16)]
    assert not np.allclose(after[0], state[0])


@pytest.fixture(scope="module")
def masked():
    """With a bias to the end, so that answers are of many lengths."""
    models = build(LEARNED, masked=True)
    output = models.train.get_layer("output")
    kernel, bias = output.get_weights()
    bias[LEARNED.target.end] += 0.3
    output.set_weights([kernel, bias])
    return models


@pytest.fixture(scope="module")
def ragged():
    """From nothing at all to 9 steps, in no order."""
    rng = np.random.default_rng(0)
    lengths = rng.integers(0, 10, 600)
    return Sequences.of_lengths(rng.integers(4, 12, lengths.sum(), dtype=np.int32), lengths)


def test_predictions_of_sources_of_any_length_come_in_their_order(masked, ragged):
    """Though like lengths are decoded together."""
    predictions = Predictor(masked.encoder, masked.decoder, LEARNED, 6, xla=False).predict(ragged)
    assert len(predictions.sequences) == 600
    assert len(set(predictions.sequences.lengths.tolist())) > 3
    assert len(set(map(tuple, rows_of(predictions.sequences)))) > 20
    for i in range(0, 600, 59):
        tokens, log_probability = decode_in_python(masked, ragged.part(i, i + 1), LEARNED, 6)
        assert predictions.sequences[i].tolist() == tokens
        assert predictions.log_probability[i] == pytest.approx(log_probability, abs=1e-5)


def test_sequences_that_end_are_decoded_with_xla_too(masked, ragged):
    some = ragged.take(ragged.lengths == 5)
    with_xla, without = (
        Predictor(masked.encoder, masked.decoder, LEARNED, 6, xla=xla).predict(some) for xla in (True, False)
    )
    assert rows_of(with_xla.sequences) == rows_of(without.sequences)
    assert with_xla.log_probability == pytest.approx(without.log_probability, abs=1e-5)


def test_a_long_decode_without_an_end_is_the_same_with_xla(models, sources):
    some = sources.part(0, 30)
    with_xla, without = (
        Predictor(models.encoder, models.decoder, IDENTITY, UNROLLED_STEPS + 4, xla=xla).predict(some)
        for xla in (True, False)
    )
    assert np.array_equal(with_xla.sequences.values, without.sequences.values)
    assert with_xla.log_probability == pytest.approx(without.log_probability, abs=1e-4)


def test_no_sources_have_no_predictions(masked, predictor, sources):
    for nothing in (
        predictor.predict(sources.part(0, 0)),
        Predictor(masked.encoder, masked.decoder, LEARNED, 6, xla=False).predict(sources.part(0, 0)),
    ):
        assert (len(nothing.sequences), nothing.log_probability.shape) == (0, (0,))


@pytest.fixture(scope="module")
def forecaster():
    return build(Codecs(SCALING, SCALING), masked=True)


def forecast_in_python(models, source):
    """One call a step, each given the vector before it, at first zeros."""
    state, vector, vectors = models.encoder(source), keras.ops.zeros((len(source), 1, 2)), []
    for _ in range(N_STEPS):
        vector, *state = models.decoder([vector, *state])
        vectors.append(np.asarray(vector)[:, 0])
    return np.stack(vectors, axis=1)


@pytest.fixture(scope="module")
def series():
    rng = np.random.default_rng(0)
    lengths = rng.integers(1, 8, 300)
    return Sequences.of_lengths(rng.normal((5, -2), (2, 0.5), (lengths.sum(), 2)), lengths)


def test_a_forecast_feeds_back_what_it_predicted(forecaster, series):
    source = source_array(series.part(0, 3), SCALING)
    forecast = np.asarray(forecast_graph(forecaster.encoder, forecaster.decoder, N_STEPS)(source))
    assert forecast.shape == (3, N_STEPS, 2)
    assert forecast == pytest.approx(forecast_in_python(forecaster, source), abs=1e-6)


@pytest.mark.parametrize("xla", [False, True])
def test_forecasts_come_in_the_order_of_their_sources_and_in_original_units(forecaster, series, xla):
    if xla:  # which compiles for every length anew
        series = series.take(series.lengths == 4)
    codecs = Codecs(SCALING, SCALING)
    predictions = Predictor(forecaster.encoder, forecaster.decoder, codecs, N_STEPS, xla=xla).predict(series)
    assert predictions.log_probability is None
    forecasts = predictions.sequences.padded()
    assert (forecasts.shape, forecasts.dtype) == ((len(series), N_STEPS, 2), np.float64)
    for i in range(0, len(series), 29):
        (expected,) = forecast_in_python(forecaster, source_array(series.part(i, i + 1), SCALING))
        assert forecasts[i] == pytest.approx(expected * (2, 0.5) + (5, -2), abs=1e-4)


def forced_by_hand(models, pairs, codecs):
    """Right tokens and all, ends included, one pair at a time and one step a call."""
    right = total = 0
    for i in range(len(pairs)):
        state, token = models.encoder(source_array(pairs.source.part(i, i + 1), codecs.source)), codecs.target.start
        end = [] if codecs.target.end is None else [codecs.target.end]
        for expected in [*pairs.target[i].tolist(), *end]:
            logits, *state = models.decoder([keras.ops.convert_to_tensor([[token]], "int32"), *state])
            right += int(np.asarray(logits)[0, 0].argmax()) == expected
            total += 1
            token = expected
    return right, total


def test_teacher_forcing_counts_right_tokens_and_ends_and_no_padding(masked, ragged, monkeypatch):
    """Also in parts, where all logits at once would take too much memory."""
    source = ragged.part(0, 15)
    pairs = Pairs(source, Sequences(source.values % 5 + 4, source.offsets))
    forced = TeacherForced(masked.encoder, masked.decoder, LEARNED)
    right, total = forced_by_hand(masked, pairs, LEARNED)
    assert 0 < right < total == source.n_steps + 15
    assert forced.count(pairs) == (right, total)
    monkeypatch.setattr(decoding, "MAX_LOGITS", 9 * 30)
    assert forced.count(pairs) == (right, total)


def test_padding_that_a_model_says_is_never_right(ragged):
    """Not even where there is padding."""
    models = build(LEARNED, masked=True)
    kernel, bias = models.train.get_layer("output").get_weights()
    bias[LEARNED.target.padding] = 50
    models.train.get_layer("output").set_weights([kernel, bias])
    source = ragged.part(0, 40)
    pairs = Pairs(source, Sequences(source.values % 5 + 4, source.offsets))
    assert TeacherForced(models.encoder, models.decoder, LEARNED).count(pairs) == (0, source.n_steps + 40)


def test_an_unknown_token_of_a_reference_is_never_right(ragged):
    """Not even where the model says that it is unknown."""
    models = build(LEARNED, masked=True)
    kernel, bias = models.train.get_layer("output").get_weights()
    bias[LEARNED.target.unknown] = 50
    models.train.get_layer("output").set_weights([kernel, bias])
    pairs = Pairs(ragged.part(0, 5), Sequences.of_rows(np.full((5, 2), LEARNED.target.unknown, np.int32)))
    assert TeacherForced(models.encoder, models.decoder, LEARNED).count(pairs) == (0, 15)


def test_teacher_forcing_without_ends_counts_every_step(models, sources):
    pairs = Pairs(sources.part(0, 20), Sequences.of_rows(sources.padded()[:20, :3] % 8 + 1))
    right, total = forced_by_hand(models, pairs, IDENTITY)
    assert (right > 0, total) == (True, 60)
    assert TeacherForced(models.encoder, models.decoder, IDENTITY).count(pairs) == (right, total)


def test_teacher_forcing_of_nothing_counts_nothing(masked, ragged):
    forced = TeacherForced(masked.encoder, masked.decoder, LEARNED)
    assert forced.count(Pairs(ragged.part(0, 0), ragged.part(0, 0))) == (0, 0)
