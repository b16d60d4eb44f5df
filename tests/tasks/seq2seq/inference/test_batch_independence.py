"""A row's prediction is its own, to the last bit: whatever it is batched with, in any order, on any number of threads."""

import itertools

import numpy as np
import pytest

from tasks.seq2seq.arrays.sequences import Sequences
from tasks.seq2seq.data.codecs import Codecs
from tasks.seq2seq.data.scaling import Scaling
from tasks.seq2seq.data.vocabulary import Vocabulary
from tasks.seq2seq.inference import batches, predictor
from tasks.seq2seq.inference.predictor import Predictor
from tasks.seq2seq.settings.decoding import DecodingSettings
from tests.helpers.engines import architecture_of
from tests.helpers.kinds import KINDS, drawn_kinds, settings_of
from tests.helpers.random_models import no_special_tokens, random_engine

N_ROWS, LONGEST, N_STEPS = 512, 21, 25
SYMBOLS = Vocabulary("integers", tuple(range(8)))
SCALING = Scaling(mean=(10.0, 0.0), deviation=(4.0, 1.0), low=(0.0, -3.0), high=(20.0, 3.0))
METHODS = {
    "greedy": DecodingSettings(),
    "beam": DecodingSettings(method="beam", beam_width=3, length_penalty=0.7, n_best=2),
    "sample": DecodingSettings(method="sample", temperature=0.7, top_k=6, seed=3),
}
# As wide as models are, and at widths that are no multiple of what a processor multiplies at once.
WIDE = {
    "128 units": {"units": 128, "embedding": 64},
    "130 units, gru": {"units": 130, "embedding": 61, "cell": "gru", "layers": 2},
    "130 units, bahdanau": {"units": 130, "embedding": 61, "attention": "bahdanau", "bidirectional": True},
    "128 units, dot": {"units": 128, "embedding": 64, "attention": "luong_dot", "input_feeding": True},
}


# Of the default suite; the rest is exhaustive.
FEW = {
    *((name, "greedy") for name in [*KINDS, "128 units"]),
    *itertools.product(("plain", "input feeding", "bahdanau"), ("beam", "sample")),
    *itertools.product(("gru", "general attention"), ("vectors",)),
}


def every_subject():
    drawn = {f"drawn {number}": kind for number, kind in enumerate(itertools.islice(drawn_kinds(), 20))}
    for (name, kind), method in itertools.product({**KINDS, **WIDE, **drawn}.items(), [*METHODS, "vectors"]):
        if method == "vectors" and (kind.get("tie_embeddings") or kind.get("share_embeddings")):
            continue  # a side of vectors has no embeddings
        marks = [] if (name, method) in FEW else [pytest.mark.exhaustive]
        yield pytest.param((kind, method), id=f"{name}, {method}", marks=marks)


def tokens(rng, lengths):
    return Sequences.of_lengths(rng.integers(4, SYMBOLS.size, lengths.sum(), dtype=np.int32), lengths)


def vectors(rng, lengths):
    """Some steps are the mean itself, which is standardised to the zeros of padding."""
    values = rng.normal((10, 0), (4, 1), (lengths.sum(), 2))
    values[::5] = 10, 0
    return Sequences.of_lengths(values, lengths)


class Subject:
    """A model of random weights, how it is decoded, and 512 sources, from the shortest that can be."""

    def __init__(self, kind, method):
        self._rng, self._is_vectors = np.random.default_rng(0), method == "vectors"
        self._codecs = Codecs(SCALING, SCALING) if self._is_vectors else Codecs(SYMBOLS, SYMBOLS)
        self._decoding = METHODS.get(method, DecodingSettings())
        lengths = self._rng.integers(0, LONGEST + 1, N_ROWS)
        lengths[:3] = 0, 1, LONGEST
        self.source = self.sources(np.maximum(lengths, self._is_vectors))
        self._engine = self._varied_engine(settings_of(kind))
        self.whole = self.predict(self.source)

    def _varied_engine(self, settings):
        """The first model whose answers to some sources are of many lengths."""
        bias = None if self._is_vectors else {SYMBOLS.end: 0.5, **no_special_tokens(SYMBOLS)}
        for seed in range(100):
            engine = random_engine(architecture_of(self._codecs, settings), seed, scale=2.0, bias=bias)
            if self._is_vectors:
                return engine
            some = Predictor(engine, self._codecs, N_STEPS, self._decoding).predict(self.source.part(0, 60))
            if len(set(some.sequences.lengths.tolist())) > 4:
                return engine
        raise AssertionError(settings)

    def sources(self, lengths):
        return (vectors if self._is_vectors else tokens)(self._rng, np.asarray(lengths))

    def predict(self, source, threads=1):
        subject = Predictor(self._engine, self._codecs, N_STEPS, self._decoding, threads=threads)
        return subject.predict(source, with_states=True)


@pytest.fixture(scope="module", params=every_subject())
def subject(request):
    return Subject(*request.param)


def parts_of(predictions, rows):
    """All that is predicted of some rows, as arrays, by name."""
    best = predictions.sequences.take(rows)
    yield "lengths", best.lengths
    yield "sequences", best.values
    yield "states", predictions.states[rows]
    if predictions.log_probability is None:
        return
    yield "log-probabilities", predictions.log_probability[rows]
    yield "log-probabilities of tokens", predictions.token_log_probability.take(rows).values
    yield "limits", predictions.at_limit[rows]
    if predictions.alternatives is not None:
        found = predictions.alternatives
        places = Sequences.of_lengths(np.arange(len(found.score)), found.counts).take(rows)
        yield "counts", places.lengths
        yield "alternatives", found.sequences.take(places.values).values
        yield "their log-probabilities", found.log_probability[places.values]
        yield "scores", found.score[places.values]


def assert_same(found, whole, rows):
    """The first of what is found are some rows of the whole, to the last bit."""
    there, expected = parts_of(found, np.arange(len(rows))), parts_of(whole, np.asarray(rows))
    for (name, part), (_, other) in zip(there, expected, strict=True):
        assert np.array_equal(part, other), name


def test_the_rows_do_differ_so_that_a_mistake_would_be_seen(subject):
    whole = subject.whole
    assert len(np.unique(whole.states, axis=0)) > 400
    if whole.log_probability is None:
        assert len(np.unique(whole.sequences.values, axis=0)) > 2_000
    else:
        assert len(set(whole.sequences.lengths.tolist())) > 4
        assert len(np.unique(whole.log_probability)) > 200


def test_a_row_alone_is_as_among_512(subject):
    for row in (0, 1, 2, 77, 300, 511):
        assert_same(subject.predict(subject.source.part(row, row + 1)), subject.whole, [row])


@pytest.mark.parametrize("size", [2, 3, 37, 511])
def test_a_row_is_the_same_among_others_in_another_order(subject, size):
    rows = np.random.default_rng(size).permutation(N_ROWS)[:size]
    assert_same(subject.predict(subject.source.take(rows)), subject.whole, rows)


def test_a_row_is_the_same_in_a_batch_with_longer_ones(subject):
    """Which is padded to their length where padding changes nothing."""
    rows = np.array([0, 1, 2, 100, 200])
    others = subject.sources([40, 57, 63])
    found = subject.predict(Sequences.concatenate([subject.source.take(rows), others]))
    assert_same(found, subject.whole, rows)


def test_threads_change_nothing_nor_does_asking_again(subject):
    for threads in (1, 2):
        assert_same(subject.predict(subject.source, threads), subject.whole, np.arange(N_ROWS))


def test_the_size_of_batches_changes_nothing(subject, monkeypatch):
    monkeypatch.setattr(predictor, "MOST_ROWS", 60)
    monkeypatch.setattr(batches, "MOST_MEMORY", 5_000)
    assert_same(subject.predict(subject.source.part(0, 100), threads=2), subject.whole, np.arange(100))
