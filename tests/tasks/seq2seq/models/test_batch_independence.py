"""A row's prediction, log-probability and encoder state are its own: whatever it is batched with, however padded."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tasks.seq2seq.arrays.sequences import Pairs, Sequences
from tasks.seq2seq.data.codecs import Codecs
from tasks.seq2seq.data.collate import source_array
from tasks.seq2seq.data.scaling import Moments
from tasks.seq2seq.data.vocabulary import Vocabulary
from tasks.seq2seq.models.architecture import Architecture, Side
from tasks.seq2seq.models.decoding import decode_graph, forecast_graph, split_encoded
from tasks.seq2seq.models.encoder_decoder import build_models
from tasks.seq2seq.models.predictor import Predictor
from tasks.seq2seq.settings.model import ModelSettings
from tasks.seq2seq.settings.training import TrainingSettings
from tasks.seq2seq.training.fit import TrainingPairs, fit

N_ROWS, N_STEPS, LONGEST = 512, 5, 9
TOLERANCE = 1e-5


def tokens(rng):
    """From an empty source, of which nothing is there but its end, to the longest."""
    lengths = rng.integers(0, LONGEST + 1, N_ROWS)
    lengths[:2] = 0, LONGEST
    return Sequences.of_lengths(rng.integers(4, 12, lengths.sum(), dtype=np.int32), lengths)


def vectors(rng):
    """Of one step and more; some steps are the mean itself, which is standardised to the zeros of padding."""
    lengths = rng.integers(1, LONGEST + 1, N_ROWS)
    lengths[:2] = 1, LONGEST
    values = rng.choice([0.0, 10.0, 20.0], (lengths.sum(), 2))
    values[rng.integers(0, len(values), 300)] = 10.0
    return Sequences.of_lengths(values, lengths)


def scaling(values):
    moments = Moments(values.shape[1])
    moments.add(values)
    moments.add(20.0 - values)  # so that 10 is the mean
    return moments.finish()


class Subject:
    """A model and its rows; `architecture` is tokens or vectors on both sides, `trained` for an epoch or random."""

    def __init__(self, kind, *, trained, **settings):
        rng = np.random.default_rng(0)
        self.source = tokens(rng) if kind == "tokens" else vectors(rng)
        if kind == "tokens":
            codec, target = Vocabulary("integers", tuple(range(8))), self.source.part(0, N_ROWS)
            sides = Side(codec.size)
        else:
            codec, target = scaling(self.source.values), Sequences.of_rows(rng.normal(10, 9, (N_ROWS, N_STEPS, 2)))
            sides = Side(features=2)
        self.codec = codec
        keras.utils.set_random_seed(0)
        self.models = build_models(Architecture(sides, sides, True, ModelSettings(units=16, embedding=8, **settings)))
        if trained:
            self.train(Pairs(self.source, target))
        else:  # at first, states are so small that they hardly differ
            self.models.train.set_weights([2 * weights for weights in self.models.train.get_weights()])
        encoder, decoder = self.models.encoder, self.models.decoder
        graph = (
            decode_graph(encoder, decoder, codec.start, N_STEPS, codec.end)
            if kind == "tokens"
            else forecast_graph(encoder, decoder, N_STEPS)
        )
        self.decode = graph  # run step by step, which spares a trace for every shape
        self.predictor = Predictor(encoder, decoder, Codecs(codec, codec), N_STEPS, xla=False)
        self.whole = self.outcome(self.source)

    def train(self, pairs):
        fit(
            self.models.train,
            TrainingSettings(batch_size=32, learning_rate=0.02),
            Codecs(self.codec, self.codec),
            TrainingPairs(len(pairs), lambda _rng: [pairs], 0, lambda _rng: []),
            seed=0,
            progress=lambda *_: None,
        )

    def array(self, source=None, width=None):
        return source_array(source or self.source, self.codec, width)

    def outcome(self, source, width=None):
        """Encoder states `(n, units)` and decoded numbers, of a batch padded to `width`."""
        array = tf.constant(self.array(source, width))
        decoded = self.decode(array)
        decoded = decoded if isinstance(decoded, tuple) else (decoded,)
        state, _ = split_encoded(self.models.encoder(array), self.models.decoder)
        return [np.asarray(part) for part in (*state, *decoded)]


SUBJECTS = [
    pytest.param(("tokens", False, {}), id="tokens", marks=pytest.mark.exhaustive),
    pytest.param(("tokens", True, {}), id="tokens, trained"),
    pytest.param(
        ("tokens", True, {"attention": "luong_general", "bidirectional": True}), id="tokens, attending",
        marks=pytest.mark.slow,
    ),
    pytest.param(("vectors", False, {}), id="vectors"),
    pytest.param(
        ("vectors", False, {"attention": "luong_dot", "input_feeding": True}), id="vectors, attending",
        marks=pytest.mark.exhaustive,
    ),
]  # fmt: skip


@pytest.fixture(scope="module", params=SUBJECTS)
def subject(request):
    kind, trained, settings = request.param
    return Subject(kind, trained=trained, **settings)


def assert_same(outcome, expected):
    for part, whole in zip(outcome, expected, strict=True):
        assert part == pytest.approx(whole, abs=TOLERANCE)


def test_the_rows_do_differ_so_that_a_mistake_would_be_seen(subject):
    """Many states, and many log-probabilities or forecasts, much further apart than the tolerance."""
    state, answers = subject.whole[0], subject.whole[-1]
    assert len(np.unique(state.round(2), axis=0)) > 100
    assert len(np.unique(answers.round(2), axis=0)) > 50


def test_a_row_alone_is_as_in_a_batch_of_512(subject):
    """The first is the shortest there can be: of tokens, an empty source."""
    for i in (0, 1, 77):
        assert_same(subject.outcome(subject.source.part(i, i + 1)), [part[i : i + 1] for part in subject.whole])


@pytest.mark.parametrize("width", [LONGEST + 2, 40])
def test_a_batch_is_the_same_however_wide_it_is_padded(subject, width):
    assert_same(subject.outcome(subject.source, width), subject.whole)


@pytest.mark.parametrize("width", [57])
def test_a_row_alone_is_the_same_however_wide_it_is_padded(subject, width):
    for i in (0, 300):
        outcome = subject.outcome(subject.source.part(i, i + 1), width)
        assert_same(outcome, [part[i : i + 1] for part in subject.whole])


def test_a_row_is_the_same_among_others_and_in_another_place(subject):
    rows = np.random.default_rng(1).permutation(N_ROWS)[:100]
    assert_same(subject.outcome(subject.source.take(rows)), [part[rows] for part in subject.whole])


def test_the_predictor_gives_a_row_the_same_answer_in_any_company(subject):
    """In batches of like lengths, filled up with copies."""
    whole = subject.predictor.predict(subject.source)
    for rows in ([0], [511, 0, 300], list(range(40))[::-1]):
        some, expected = subject.predictor.predict(subject.source.take(rows)), whole.sequences.take(rows)
        assert some.sequences.lengths.tolist() == expected.lengths.tolist()
        assert some.sequences.values == pytest.approx(expected.values, abs=20 * TOLERANCE)  # in original units
        if whole.log_probability is not None:
            assert some.log_probability == pytest.approx(whole.log_probability[rows], abs=TOLERANCE)


def test_every_step_of_a_source_counts_also_one_that_is_like_padding(subject):
    """A step more is never taken for padding: not the mean, nor a symbol."""
    one = subject.source.part(1, 2)
    shorter = Sequences.of_lengths(one.values[:-1], np.array([LONGEST - 1]))
    longer = Sequences.of_lengths(np.concatenate([shorter.values, shorter.values[:1] * 0 + 10]), np.array([LONGEST]))
    states = [subject.outcome(source)[0] for source in (shorter, longer)]
    assert np.abs(states[0] - states[1]).max() > 100 * TOLERANCE
