import numpy as np
import pytest

from tasks.seq2seq.arrays.sequences import Pairs, Sequences
from tasks.seq2seq.data.codecs import Codecs
from tasks.seq2seq.data.vocabulary import Vocabulary
from tasks.seq2seq.inference import teacher_forcing
from tasks.seq2seq.inference.batches import padded_width
from tasks.seq2seq.inference.engine import Engine
from tasks.seq2seq.inference.teacher_forcing import TeacherForced
from tasks.seq2seq.settings.model import ModelSettings
from tests.helpers.codecs import as_vocabulary
from tests.helpers.engines import architecture_of
from tests.helpers.kinds import KINDS, settings_of
from tests.helpers.random_models import random_engine

IDENTITY = Codecs(Vocabulary.identity(11), Vocabulary.identity(8))
ALIKE = Codecs(*[Vocabulary("integers", tuple(range(8)))] * 2)
LEARNED = Codecs(*[Vocabulary("integers", tuple(range(size))) for size in (8, 5)])


def build(codecs, *, masked=True, bias=None, **settings):
    """A model whose answers differ."""
    architecture = architecture_of(codecs, ModelSettings(units=16, embedding=8, **settings), masked=masked)
    return random_engine(architecture, scale=2.0, bias=bias)


@pytest.fixture(scope="module")
def fixed():
    return build(IDENTITY, masked=False)


@pytest.fixture(scope="module")
def sources():
    return Sequences.of_rows(np.random.default_rng(0).integers(1, 12, (20, 5), dtype=np.int32))


@pytest.fixture(scope="module", params=[{}, {"attention": "luong_general"}], ids=["plain", "attending"])
def masked(request):
    """With a bias to the end, so that it is right now and then."""
    return build(LEARNED, bias={as_vocabulary(LEARNED.target).end: 1.0}, **request.param)


@pytest.fixture(scope="module")
def ragged():
    """From nothing at all to 9 steps, in no order."""
    rng = np.random.default_rng(0)
    lengths = rng.integers(0, 10, 60)
    return Sequences.of_lengths(rng.integers(4, 12, lengths.sum(), dtype=np.int32), lengths)


def forced_by_hand(engine, pairs, codecs):
    """Right tokens and all, ends included, one pair at a time and one step a call."""
    right = total = 0
    for i in range(len(pairs)):
        state, memory = engine.encode(codecs.source.source_array(pairs.source.part(i, i + 1)))
        token, end = codecs.target.start, [] if codecs.target.end is None else [codecs.target.end]
        for expected in [*pairs.target[i].tolist(), *end]:
            logits, state = engine.step(np.array([token], np.int32), state, memory)
            right += int(logits[0].argmax()) == expected
            total += 1
            token = expected
    return right, total


def test_teacher_forcing_counts_right_tokens_and_ends_and_no_padding(masked, ragged, monkeypatch):
    """Also in parts, where all scores at once would take too much memory."""
    source = ragged.part(0, 15)
    pairs = Pairs(source, Sequences(source.values % 5 + 4, source.offsets))
    forced = TeacherForced(masked, LEARNED)
    right, total = forced_by_hand(masked, pairs, LEARNED)
    assert 0 < right < total == source.n_steps + 15
    assert forced.count(pairs) == (right, total)
    monkeypatch.setattr(teacher_forcing, "MOST_SCORES", 9 * 4)
    assert forced.count(pairs) == (right, total)


class Watched(Engine):
    """An engine that keeps what it says of each source, step by step, and to how many steps it was padded."""

    def __init__(self, engine):
        self.__dict__.update(vars(engine))
        self._sources, self.said, self.widths = [], {}, {}

    def encode(self, source):
        self._sources = [tuple(row[row != 0].tolist()) for row in source]
        self.widths |= dict.fromkeys(self._sources, source.shape[1])
        return super().encode(source)

    def step(self, fed, state, memory):
        scores, state = super().step(fed, state, memory)
        for source, row in zip(self._sources, scores, strict=True):
            self.said.setdefault(source, []).append(row)
        return scores, state


def watch(engine, pairs):
    """The engine after counting, and what it said of each pair at the steps of its target, by its source."""
    watched = Watched(engine)
    TeacherForced(watched, ALIKE).count(pairs)
    end = as_vocabulary(ALIKE.source).end
    steps = {(*pairs.source[i].tolist(), end): len(pairs.target[i]) + 1 for i in range(len(pairs))}
    return watched, {source: np.array(rows[: steps[source]]) for source, rows in watched.said.items()}


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_what_is_said_of_a_pair_does_not_depend_on_those_it_is_counted_with(kind):
    """To the last bit: with attention, sums run over the steps of a source, so that all are padded by their own length."""
    rng = np.random.default_rng(0)
    lengths = np.arange(1, 40)
    source = Sequences.of_lengths(rng.integers(4, 12, lengths.sum(), dtype=np.int32), lengths)
    target = Sequences.of_lengths(rng.integers(4, 12, lengths.sum(), dtype=np.int32), lengths[::-1])
    engine, pairs = random_engine(architecture_of(ALIKE, settings_of(kind)), scale=2.0), Pairs(source, target)
    watched, together = watch(engine, pairs)
    assert len(together) == len(pairs)
    if engine.attends:
        assert watched.widths == {row: padded_width(engine, len(row)) for row in together}
    for i in range(len(pairs)):
        ((key, alone),) = watch(engine, pairs.part(i, i + 1))[1].items()
        assert np.array_equal(alone, together[key])


def test_padding_that_a_model_says_is_never_right(ragged):
    """Not even where there is padding."""
    engine = build(LEARNED, bias={as_vocabulary(LEARNED.target).padding: 50})
    source = ragged.part(0, 40)
    pairs = Pairs(source, Sequences(source.values % 5 + 4, source.offsets))
    assert TeacherForced(engine, LEARNED).count(pairs) == (0, source.n_steps + 40)


def test_an_unknown_token_of_a_reference_is_never_right(ragged):
    """Not even where the model says that it is unknown."""
    engine = build(LEARNED, bias={LEARNED.target.unknown: 50})
    pairs = Pairs(ragged.part(0, 5), Sequences.of_rows(np.full((5, 2), LEARNED.target.unknown, np.int32)))
    assert TeacherForced(engine, LEARNED).count(pairs) == (0, 15)


def test_teacher_forcing_without_ends_counts_every_step(fixed, sources):
    pairs = Pairs(sources.part(0, 20), Sequences.of_rows(sources.padded()[:20, :3] % 8 + 1))
    right, total = forced_by_hand(fixed, pairs, IDENTITY)
    assert (right > 0, total) == (True, 60)
    assert TeacherForced(fixed, IDENTITY).count(pairs) == (right, total)


def test_teacher_forcing_of_nothing_counts_nothing(masked, ragged):
    forced = TeacherForced(masked, LEARNED)
    assert forced.count(Pairs(ragged.part(0, 0), ragged.part(0, 0))) == (0, 0)
