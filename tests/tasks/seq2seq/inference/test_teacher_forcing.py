import numpy as np
import pytest

from tasks.seq2seq.arrays.sequences import Pairs, Sequences
from tasks.seq2seq.data.codecs import Codecs
from tasks.seq2seq.data.vocabulary import Vocabulary
from tasks.seq2seq.inference import teacher_forcing
from tasks.seq2seq.inference.teacher_forcing import TeacherForced
from tasks.seq2seq.settings.model import ModelSettings
from tests.helpers.codecs import as_vocabulary
from tests.helpers.engines import architecture_of
from tests.helpers.random_models import random_engine

IDENTITY = Codecs(Vocabulary.identity(11), Vocabulary.identity(8))
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
