import math
import threading

import numpy as np
import pytest

from tasks.seq2seq.arrays.random_draws import drawn_numbers, source_keys
from tasks.seq2seq.arrays.sequences import Sequences
from tasks.seq2seq.data.codecs import Codecs
from tasks.seq2seq.data.scaling import Scaling
from tasks.seq2seq.data.vocabulary import Vocabulary
from tasks.seq2seq.inference.predictor import Predictor
from tasks.seq2seq.settings.decoding import DecodingSettings
from tasks.seq2seq.settings.model import ModelSettings
from tests.helpers.engines import architecture_of
from tests.helpers.random_models import no_special_tokens, random_engine
from tests.helpers.tables import rows_of

SETTINGS = ModelSettings(units=16, embedding=8)
ATTENDING = ModelSettings(units=16, embedding=8, attention="luong_general", input_feeding=True)
IDENTITY = Codecs(Vocabulary.identity(11), Vocabulary.identity(8))
SYMBOLS = Vocabulary("integers", tuple(range(12)))
VARIED = Codecs(Vocabulary("integers", tuple(range(8))), SYMBOLS)
SCALING = Scaling(mean=(5.0, -2.0), deviation=(2.0, 0.5), low=(0.0, -3.0), high=(9.0, 0.0))
N_STEPS = 4
LIMIT = 41
METHODS = {
    "greedy": DecodingSettings(),
    "beam": DecodingSettings(method="beam", beam_width=3, length_penalty=0.7, n_best=2),
    "sample": DecodingSettings(method="sample", temperature=0.7, top_k=6, seed=3),
}


@pytest.fixture(scope="module")
def fixed():
    """A model whose sequences are all of one length, without padding and without an end."""
    return random_engine(architecture_of(IDENTITY, SETTINGS, masked=False), scale=3.0)


@pytest.fixture(scope="module")
def sources():
    return Sequences.of_rows(np.random.default_rng(0).integers(1, 12, (1100, 5), dtype=np.int32))


@pytest.fixture(scope="module")
def whole(fixed, sources):
    return Predictor(fixed, IDENTITY, N_STEPS).predict(sources)


def engine_of_varied_answers(settings):
    """Answers end after 0 to 39 steps, or not at all within the limit."""
    bias = {SYMBOLS.end: -0.5, **no_special_tokens(SYMBOLS)}
    seed = 40 if settings.attends else 5  # looked for: most models answer all sources alike
    return random_engine(architecture_of(VARIED, settings), seed, scale=3.5, bias=bias)


@pytest.fixture(scope="module")
def varied():
    return engine_of_varied_answers(SETTINGS)


@pytest.fixture(scope="module")
def ragged():
    """From nothing at all to 9 steps, in no order."""
    rng = np.random.default_rng(0)
    lengths = rng.integers(0, 10, 600)
    return Sequences.of_lengths(rng.integers(4, 12, lengths.sum(), dtype=np.int32), lengths)


class Decoded:
    """What a method makes of the ragged sources."""

    def __init__(self, engine, decoding, source):
        self.decoding, self.source, self.engine = decoding, source, engine
        self.whole = Predictor(engine, VARIED, LIMIT, decoding).predict(source)


@pytest.fixture(scope="module", params=[*METHODS, "beam with attention"])
def decoded(request, varied, ragged):
    method, *attending = request.param.split(" with ")
    return Decoded(engine_of_varied_answers(ATTENDING) if attending else varied, METHODS[method], ragged)


def decode_in_python(engine, source, codecs, n_steps):
    """One source at a time, one call a step, probabilities in 64 bits; ends before the end id, or is cut by a token."""
    end = codecs.target.end
    (state, memory), token = engine.encode(codecs.source.source_array(source)), codecs.target.start
    tokens, scores = [], []
    for _ in range(n_steps):
        logits, state = engine.step(np.array([token], np.int32), state, memory)
        logits = logits[0].astype(np.float64)
        token = int(logits.argmax())
        scores.append(math.log(math.exp(logits[token]) / np.exp(logits).sum()))
        if token == end:
            return tuple(tokens), sum(scores)
        tokens.append(token)
    return (tuple(tokens), sum(scores)) if end is None else (tuple(tokens[:-1]), sum(scores[:-1]))


def assert_equals_plain_loop(predictions, engine, source, codecs, n_steps, rows):
    said = rows_of(predictions.sequences)
    for row in rows:
        tokens, log_probability = decode_in_python(engine, source.part(row, row + 1), codecs, n_steps)
        assert said[row] == tokens
        assert predictions.log_probability[row] == pytest.approx(log_probability, abs=1e-4)


def test_the_predictor_equals_a_plain_loop_over_the_model(fixed, sources, whole):
    assert_equals_plain_loop(whole, fixed, sources, IDENTITY, N_STEPS, (0, 1, 31, 32, 511, 512, 1099))


@pytest.mark.parametrize("attends", [False, True])
def test_predictions_of_sources_of_any_length_come_in_their_order(attends, varied, ragged):
    """Though like lengths are decoded together."""
    engine = engine_of_varied_answers(ATTENDING) if attends else varied
    predictions = Predictor(engine, VARIED, LIMIT).predict(ragged)
    assert len(predictions.sequences) == 600
    assert_equals_plain_loop(predictions, engine, ragged, VARIED, LIMIT, range(0, 600, 29))


def test_predictions_have_the_promised_shapes_and_types(whole):
    assert (whole.sequences.padded().shape, whole.sequences.values.dtype) == ((1100, N_STEPS), np.int32)
    assert (whole.log_probability.shape, whole.log_probability.dtype) == ((1100,), np.float32)
    assert (whole.log_probability < 0).all()
    assert whole.states is None


def test_decoding_starts_from_the_start_token(fixed, sources):
    found = []
    for start in (1, 5):
        codecs = Codecs(IDENTITY.source, Vocabulary("integers", tuple(range(1, 9)), 1, 0, start, None, None))
        predictions = Predictor(fixed, codecs, N_STEPS).predict(sources.part(0, 40))
        assert_equals_plain_loop(predictions, fixed, sources, codecs, N_STEPS, range(0, 40, 7))
        found.append(rows_of(predictions.sequences))
    assert found[0] != found[1]


@pytest.mark.parametrize("method", METHODS)
def test_no_sources_have_no_predictions(method, fixed, varied, sources):
    for engine, codecs in ((fixed, IDENTITY), (varied, VARIED)):
        nothing = Predictor(engine, codecs, 6, METHODS[method]).predict(sources.part(0, 0), with_states=True)
        assert (len(nothing.sequences), nothing.log_probability.shape, nothing.at_limit.shape) == (0, (0,), (0,))
        assert nothing.token_log_probability.lengths.shape == (0,)
        assert nothing.states.shape == (0, 32)
        assert nothing.alternatives is None or len(nothing.alternatives.score) == 0


def test_a_fixed_length_has_no_limit_to_meet(whole):
    assert not whole.at_limit.any()
    assert (whole.token_log_probability.lengths == N_STEPS).all()


def test_a_largest_length_is_only_for_sequences_that_end(fixed, sources):
    predictions = Predictor(fixed, IDENTITY, N_STEPS, DecodingSettings(max_length=2)).predict(sources.part(0, 3))
    assert predictions.sequences.lengths.tolist() == [N_STEPS] * 3


def test_fewer_alternatives_are_given_where_there_are_no_more_sequences(fixed, sources):
    """Of 9 symbols in two steps there are 81."""
    decoding = DecodingSettings(method="beam", beam_width=100, n_best=100)
    predictions = Predictor(fixed, IDENTITY, 2, decoding).predict(sources.part(0, 40))
    assert predictions.alternatives.counts.tolist() == [81] * 40
    total = [np.exp(predictions.alternatives.log_probability[81 * i : 81 * i + 81]).sum() for i in range(40)]
    assert total == pytest.approx([1] * 40, abs=1e-4)


def test_a_beam_of_one_is_greedy_also_where_lengths_are_fixed(fixed, sources, whole):
    predictions = Predictor(fixed, IDENTITY, N_STEPS, DecodingSettings(method="beam", beam_width=1)).predict(sources)
    assert rows_of(predictions.sequences) == rows_of(whole.sequences)
    assert predictions.log_probability == pytest.approx(whole.log_probability, abs=1e-5)


@pytest.fixture(scope="module")
def samplers(fixed):
    return [Predictor(fixed, IDENTITY, N_STEPS, DecodingSettings(method="sample", seed=seed)) for seed in (1, 2)]


def test_another_seed_draws_other_samples_and_the_same_seed_the_same(samplers, sources):
    """In any order."""
    first, other = (sampler.predict(sources) for sampler in samplers)
    order = np.arange(len(sources))[::-1]
    again = samplers[0].predict(sources.take(order))
    assert rows_of(again.sequences.take(order)) == rows_of(first.sequences)
    pairs = zip(rows_of(first.sequences), rows_of(other.sequences), strict=True)
    assert np.mean([one != two for one, two in pairs]) > 0.5


def test_equal_sources_are_given_equal_samples(samplers, sources):
    first, other, again = rows_of(samplers[0].predict(sources.take(np.array([5, 8, 5]))).sequences)
    assert first == again != other


def test_a_sample_is_drawn_by_the_sources_own_numbers(varied, ragged):
    """One call a step, by the inverse of the cumulative distribution, of which the likeliest token comes first."""
    decoding = METHODS["sample"]
    predictions = Predictor(varied, VARIED, LIMIT, decoding).predict(ragged)
    for row in range(0, 600, 60):
        source = ragged.part(row, row + 1)
        (state, memory), tokens = varied.encode(VARIED.source.source_array(source)), [SYMBOLS.start]
        for number in drawn_numbers(source_keys(source, decoding.seed), 0, LIMIT)[0]:
            logits, state = varied.step(np.array(tokens[-1:], np.int32), state, memory)
            logits = logits[0].astype(np.float64)
            likely = np.argsort(-logits, kind="stable")[: decoding.top_k]
            weights = np.cumsum(np.exp((logits[likely] - logits.max()) / decoding.temperature))
            tokens.append(int(likely[np.searchsorted(weights, number * weights[-1], side="right")]))
            if tokens[-1] == SYMBOLS.end:
                break
        assert predictions.sequences[row].tolist() == tokens[1:-1]


@pytest.mark.parametrize(("method", "ends"), [("greedy", True), ("beam", False)])
def test_states_are_the_encoders_where_they_are_asked_for(method, ends, varied, fixed, ragged, sources):
    engine, codecs, source = (varied, VARIED, ragged) if ends else (fixed, IDENTITY, sources)
    predictor = Predictor(engine, codecs, 4, DecodingSettings(method=method))
    assert predictor.predict(source).states is None
    expected = np.concatenate(engine.encode(codecs.source.source_array(source)).state, axis=1)
    for first, last in ((0, len(source)), (7, 8)):
        states = predictor.predict(source.part(first, last), with_states=True).states
        assert (states.shape, states.dtype) == ((last - first, 32), np.float32)
        assert states.tolist() == expected[first:last].tolist()


def test_what_a_fed_decoder_begins_with_is_no_state_of_the_encoder(ragged):
    engine = engine_of_varied_answers(ATTENDING)
    assert Predictor(engine, VARIED, 4).predict(ragged.part(0, 9), with_states=True).states.shape == (9, 32)


@pytest.mark.parametrize(
    ("decoding", "vocabulary", "most"),
    [
        (DecodingSettings(), 51, 512),
        (DecodingSettings(method="beam", beam_width=5), 51, 512),
        (DecodingSettings(method="beam", beam_width=20), 51, 128),
        (DecodingSettings(method="beam", beam_width=1000), 51, 2),
        (DecodingSettings(), 400_000, 20),
        (DecodingSettings(method="beam", beam_width=3), 1_000_000, 2),
        (DecodingSettings(method="sample"), 9_000_000, 1),
    ],
)
def test_batches_are_as_large_as_memory_should_allow(decoding, vocabulary, most, fixed):
    """512 sources, 2,560 hypotheses and 8 million scores at most, but one source always."""
    codecs = Codecs(IDENTITY.source, Vocabulary.identity(vocabulary - 1))
    assert Predictor(fixed, codecs, N_STEPS, decoding)._most_sources() == most


def test_the_lengths_of_answers_differ_so_that_a_mistake_would_be_seen(decoded):
    lengths = decoded.whole.sequences.lengths
    assert min(np.bincount(lengths // 16, minlength=3)) > 5
    assert 0.02 < decoded.whole.at_limit.mean() < 0.8
    assert len(set(rows_of(decoded.whole.sequences))) > 100


def test_every_token_has_its_log_probability_and_the_end_too(decoded):
    whole = decoded.whole
    assert (whole.token_log_probability.lengths == whole.sequences.lengths + ~whole.at_limit).all()
    sums = [whole.token_log_probability[row].sum(dtype=np.float64) for row in range(600)]
    assert whole.log_probability == pytest.approx(np.array(sums), rel=1e-6)
    assert (whole.log_probability.dtype, whole.token_log_probability.values.dtype) == (np.float32, np.float32)


def test_each_log_probability_is_the_models_own(decoded):
    """Of a model that is told the same tokens, whatever other hypotheses and sources stood beside them."""
    whole = decoded.whole
    for row in range(0, 600, 40):
        expected = [*whole.sequences[row].tolist(), SYMBOLS.end][: len(whole.token_log_probability[row])]
        state, memory = decoded.engine.encode(VARIED.source.source_array(decoded.source.part(row, row + 1)))
        scores, token = [], SYMBOLS.start
        for said in expected:
            logits, state = decoded.engine.step(np.array([token], np.int32), state, memory)
            logits, token = logits[0].astype(np.float64), said
            scores.append(logits[said] - np.log(np.exp(logits).sum()))
        assert whole.token_log_probability[row] == pytest.approx(scores, abs=1e-3)  # rounding grows


def test_the_longest_answer_is_a_token_shorter_than_the_steps(decoded):
    whole = decoded.whole
    assert (whole.sequences.lengths[whole.at_limit] == LIMIT - 1).all()
    assert whole.sequences.longest == LIMIT - 1


def test_a_largest_length_overrides_the_steps(varied, ragged):
    """What is shorter stays as it was, the rest is cut."""
    some = ragged.part(0, 60)
    at = {n: Predictor(varied, VARIED, 9, DecodingSettings(max_length=n)).predict(some) for n in (2, 30)}
    longer = rows_of(at[30].sequences)
    assert rows_of(at[2].sequences) == [tokens[:2] for tokens in longer]
    assert at[2].at_limit.tolist() == [len(row) > 2 for row in longer]
    assert at[30].sequences.longest == 30


def test_alternatives_are_the_best_first_and_the_first_is_the_prediction(varied, ragged):
    decoding = DecodingSettings(method="beam", beam_width=4, length_penalty=1.0, n_best=4)
    predictions = Predictor(varied, VARIED, LIMIT, decoding).predict(ragged)
    found = predictions.alternatives
    assert (len(found.sequences), len(found.score)) == (found.counts.sum(), found.counts.sum())
    first = np.cumsum(found.counts) - found.counts
    assert rows_of(found.sequences.take(first)) == rows_of(predictions.sequences)
    assert found.log_probability[first].tolist() == predictions.log_probability.tolist()
    of_next = np.delete(np.arange(len(found.score)), first)
    assert (found.score[of_next] <= found.score[of_next - 1]).all()
    of_source = np.repeat(np.arange(600), found.counts)
    assert len(set(zip(of_source.tolist(), rows_of(found.sequences), strict=True))) == len(of_source)


def test_there_are_alternatives_only_where_they_are_asked_for(decoded):
    assert (decoded.whole.alternatives is not None) == (decoded.decoding.n_best > 1)


def test_threads_may_share_a_predictor(varied, ragged):
    predictor = Predictor(varied, VARIED, LIMIT)
    found = {}
    threads = [
        threading.Thread(target=lambda i=i: found.update({i: predictor.predict(ragged.part(i, i + 40))}))
        for i in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    whole = predictor.predict(ragged)
    for i in range(4):
        assert rows_of(found[i].sequences) == rows_of(whole.sequences)[i : i + 40]
        assert found[i].log_probability.tolist() == whole.log_probability[i : i + 40].tolist()


@pytest.fixture(scope="module")
def series():
    rng = np.random.default_rng(0)
    lengths = rng.integers(1, 8, 300)
    return Sequences.of_lengths(rng.normal((5, -2), (2, 0.5), (lengths.sum(), 2)), lengths)


def forecast_in_python(engine, source):
    """One call a step, each given the vector before it, at first zeros."""
    (state, memory), vector, vectors = engine.encode(source), np.zeros((len(source), 2), np.float32), []
    for _ in range(N_STEPS):
        vector, state = engine.step(vector, state, memory)
        vectors.append(vector)
    return np.stack(vectors, axis=1)


def test_forecasts_come_in_the_order_of_their_sources_and_in_original_units(series):
    codecs = Codecs(SCALING, SCALING)
    engine = random_engine(architecture_of(codecs, SETTINGS))
    predictions = Predictor(engine, codecs, N_STEPS).predict(series, with_states=True)
    assert predictions[1:5] == (None, None, None, None)
    states = np.concatenate(engine.encode(SCALING.source_array(series)).state, axis=1)
    assert predictions.states.tolist() == states.tolist()
    forecasts = predictions.sequences.padded()
    assert (forecasts.shape, forecasts.dtype) == ((len(series), N_STEPS, 2), np.float64)
    for i in range(0, len(series), 29):
        (expected,) = forecast_in_python(engine, SCALING.source_array(series.part(i, i + 1)))
        assert forecasts[i] == pytest.approx(expected * (2, 0.5) + (5, -2), abs=1e-4)


def test_of_no_series_there_are_no_forecasts(series):
    codecs = Codecs(SCALING, SCALING)
    engine = random_engine(architecture_of(codecs, SETTINGS))
    nothing = Predictor(engine, codecs, N_STEPS).predict(series.part(0, 0), with_states=True)
    assert (len(nothing.sequences), nothing.states.shape) == (0, (0, 32))
    assert nothing.sequences.values.shape == (0, 2)
