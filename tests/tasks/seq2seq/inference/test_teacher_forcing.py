import keras
import numpy as np
import pytest

from tasks.seq2seq.arrays.sequences import Pairs, Sequences
from tasks.seq2seq.data.codecs import Codecs
from tasks.seq2seq.data.collate import source_array
from tasks.seq2seq.data.vocabulary import Vocabulary
from tasks.seq2seq.inference import teacher_forcing
from tasks.seq2seq.inference.teacher_forcing import TeacherForced
from tasks.seq2seq.models.encoder_decoder import build_models
from tasks.seq2seq.settings.architecture import Architecture, Side
from tasks.seq2seq.settings.model import ModelSettings
from tests.helpers.codecs import as_vocabulary

IDENTITY = Codecs(Vocabulary.identity(11), Vocabulary.identity(8))
LEARNED = Codecs(*[Vocabulary("integers", tuple(range(size))) for size in (8, 5)])


def build(codecs, *, masked):
    """Weights twice as large as at first, so that answers differ."""
    keras.utils.set_random_seed(0)
    source_side, target_side = (Side(codec.size) for codec in (codecs.source, codecs.target))
    models = build_models(Architecture(source_side, target_side, masked, ModelSettings(units=16, embedding=8)))
    models.train.set_weights([2 * weights for weights in models.train.get_weights()])
    return models


@pytest.fixture(scope="module")
def models():
    return build(IDENTITY, masked=False)


@pytest.fixture(scope="module")
def sources():
    return Sequences.of_rows(np.random.default_rng(0).integers(1, 12, (20, 5), dtype=np.int32))


@pytest.fixture(scope="module")
def masked():
    """With a bias to the end, so that it is right now and then."""
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
    lengths = rng.integers(0, 10, 60)
    return Sequences.of_lengths(rng.integers(4, 12, lengths.sum(), dtype=np.int32), lengths)


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
    monkeypatch.setattr(teacher_forcing, "MAX_LOGITS", 9 * 30)
    assert forced.count(pairs) == (right, total)


def test_padding_that_a_model_says_is_never_right(ragged):
    """Not even where there is padding."""
    models = build(LEARNED, masked=True)
    kernel, bias = models.train.get_layer("output").get_weights()
    bias[as_vocabulary(LEARNED.target).padding] = 50
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
