import math

import keras
import numpy as np
import pytest
from tasks.seq2seq.models.decoding import decode_graph, forecast_graph, model_step
from tasks.seq2seq.models.predictor import Predictor

from tasks.seq2seq.arrays.sequences import Sequences
from tasks.seq2seq.data.codecs import Codecs
from tasks.seq2seq.data.collate import source_array
from tasks.seq2seq.data.scaling import Scaling
from tasks.seq2seq.data.vocabulary import Vocabulary
from tasks.seq2seq.models import predictor as module
from tasks.seq2seq.models.encoder_decoder import build_models
from tasks.seq2seq.models.tensors import UNROLLED_STEPS
from tasks.seq2seq.settings.architecture import Architecture, Side
from tasks.seq2seq.settings.decoding import DecodingSettings
from tasks.seq2seq.settings.model import ModelSettings
from tests.helpers.codecs import as_vocabulary

IDENTITY = Codecs(Vocabulary.identity(11), Vocabulary.identity(8))
LEARNED = Codecs(*[Vocabulary("integers", tuple(range(size))) for size in (8, 5)])
SCALING = Scaling(mean=(5.0, -2.0), deviation=(2.0, 0.5), low=(0.0, -3.0), high=(9.0, 0.0))
N_STEPS = 4


def side(codec):
    return Side(codec.size, codec.features)


def build(codecs, *, masked):
    """Weights twice as large as at first, so that answers differ."""
    keras.utils.set_random_seed(0)
    models = build_models(
        Architecture(side(codecs.source), side(codecs.target), masked, ModelSettings(units=16, embedding=8))
    )
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
    return Predictor(models.encoder, models.decoder, IDENTITY, N_STEPS, xla=False)


@pytest.fixture(scope="module")
def whole(predictor, sources):
    return predictor.predict(sources)


def decode_in_python(models, source, codecs, n_steps):
    """One source at a time, one call a step, probabilities in 64 bits; ends before the end id, or is cut by a token."""
    end = codecs.target.end
    state, token = models.encoder(source_array(source, codecs.source)), codecs.target.start
    tokens, scores = [], []
    for _ in range(n_steps):
        logits, *state = models.decoder([keras.ops.convert_to_tensor([[token]], "int32"), *state])
        logits = np.asarray(logits, np.float64)[0, 0]
        token = int(logits.argmax())
        scores.append(math.log(math.exp(logits[token]) / np.exp(logits).sum()))
        if token == end:
            return tokens, sum(scores)
        tokens.append(token)
    return (tokens, sum(scores)) if end is None else (tokens[:-1], sum(scores[:-1]))


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
    some = sources.part(0, 512)
    compiled = Predictor(models.encoder, models.decoder, IDENTITY, N_STEPS, xla=True).predict(some)
    assert rows_of(compiled.sequences) == rows_of(whole.sequences.part(0, 512))
    assert compiled.log_probability == pytest.approx(whole.log_probability[:512], abs=1e-5)


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
    logits, after = model_step(models.decoder)(keras.ops.ones(3, "int32"), state, [])
    assert logits.shape == (3, 9)
    assert [part.shape for part in after] == [(3, 16), (3, 16)]
    assert not np.allclose(after[0], state[0])


@pytest.fixture(scope="module")
def masked():
    """With a bias to the end, so that answers are of many lengths."""
    models = build(LEARNED, masked=True)
    output = models.train.get_layer("output")
    kernel, bias = output.get_weights()
    bias[as_vocabulary(LEARNED.target).end] += 0.3
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


def test_a_fixed_length_has_no_limit_to_meet(whole):
    assert not whole.at_limit.any()
    assert (whole.token_log_probability.lengths == N_STEPS).all()


def test_fewer_alternatives_are_given_where_there_are_no_more_sequences(models, sources):
    """Of 9 symbols in two steps there are 81."""
    decoding = DecodingSettings(method="beam", beam_width=100, n_best=100)
    predictions = Predictor(models.encoder, models.decoder, IDENTITY, 2, decoding, xla=False).predict(
        sources.part(0, 40)
    )
    assert predictions.alternatives.counts.tolist() == [81] * 40
    total = [np.exp(predictions.alternatives.log_probability[81 * i : 81 * i + 81]).sum() for i in range(40)]
    assert total == pytest.approx([1] * 40, abs=1e-4)


def test_a_beam_of_one_is_greedy_also_where_lengths_are_fixed(models, sources, whole):
    decoding = DecodingSettings(method="beam", beam_width=1)
    predictions = Predictor(models.encoder, models.decoder, IDENTITY, N_STEPS, decoding, xla=False).predict(sources)
    assert rows_of(predictions.sequences) == rows_of(whole.sequences)
    assert predictions.log_probability == pytest.approx(whole.log_probability, abs=1e-5)


@pytest.fixture(scope="module")
def samplers(models):
    return [
        Predictor(
            models.encoder, models.decoder, IDENTITY, N_STEPS, DecodingSettings(method="sample", seed=seed), xla=False
        )
        for seed in (1, 2)
    ]


def test_another_seed_draws_other_samples_and_the_same_seed_the_same(samplers, sources):
    """In any order."""
    first, other = (sampler.predict(sources) for sampler in samplers)
    order = np.arange(len(sources))[::-1]
    again = samplers[0].predict(sources.take(order))
    assert rows_of(again.sequences.take(order)) == rows_of(first.sequences)
    pairs = zip(rows_of(first.sequences), rows_of(other.sequences), strict=True)
    assert np.mean([one != two for one, two in pairs]) > 0.9


def test_equal_sources_are_given_equal_samples(samplers, sources):
    first, other, again = rows_of(samplers[0].predict(sources.take(np.array([5, 9, 5]))).sequences)
    assert first == again != other


@pytest.mark.parametrize(("method", "masked_model"), [("greedy", True), ("beam", False)])
def test_states_are_the_encoders_where_they_are_asked_for(method, masked_model, masked, models, ragged, sources):
    subject, codecs, source = (masked, LEARNED, ragged) if masked_model else (models, IDENTITY, sources)
    predictor = Predictor(subject.encoder, subject.decoder, codecs, 4, DecodingSettings(method=method), xla=False)
    assert predictor.predict(source).states is None
    for part in (source, source.part(7, 8), source.part(0, 0)):
        expected = np.concatenate(subject.encoder(source_array(part, codecs.source)), axis=1) if len(part) else []
        states = predictor.predict(part, with_states=True).states
        assert (states.shape, states.dtype) == ((len(part), 32), np.float32)
        assert states == pytest.approx(np.array(expected).reshape(-1, 32), abs=1e-6)


@pytest.mark.parametrize(
    ("decoding", "vocabulary", "sizes"),
    [
        (DecodingSettings(), 51, (1, 32, 256, 512)),
        (DecodingSettings(method="beam", beam_width=5), 51, (1, 32, 256, 512)),
        (DecodingSettings(method="beam", beam_width=20), 51, (1, 32, 128)),
        (DecodingSettings(method="beam", beam_width=1000), 51, (1, 2)),
        (DecodingSettings(), 400_000, (1, 32, 160)),
        (DecodingSettings(method="beam", beam_width=50), 400_000, (1, 3)),
        (DecodingSettings(method="sample"), 400_000, (1, 32, 40)),
        (DecodingSettings(method="beam", beam_width=1000), 1_000_000, (1,)),
    ],
)
def test_batches_are_as_large_as_memory_should_allow(decoding, vocabulary, sizes):
    """2,560 hypotheses or 64 million logits at most, four numbers a logit where a token is drawn."""
    assert module._batch_sizes(Vocabulary.identity(vocabulary - 1), decoding) == sizes


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
    predictor = Predictor(forecaster.encoder, forecaster.decoder, codecs, N_STEPS, xla=xla)
    predictions = predictor.predict(series, with_states=True)
    assert predictions[1:5] == (None, None, None, None)
    states = np.concatenate(forecaster.encoder(source_array(series, SCALING)), axis=1)
    assert predictions.states == pytest.approx(states, abs=1e-5)
    forecasts = predictions.sequences.padded()
    assert (forecasts.shape, forecasts.dtype) == ((len(series), N_STEPS, 2), np.float64)
    for i in range(0, len(series), 29):
        (expected,) = forecast_in_python(forecaster, source_array(series.part(i, i + 1), SCALING))
        assert forecasts[i] == pytest.approx(expected * (2, 0.5) + (5, -2), abs=1e-4)
