"""Exports against a model that is a table: what it says next depends on the step alone."""

import numpy as np
import pytest
import tensorflow as tf

from tasks.seq2seq.arrays.sequences import Pairs, Sequences
from tasks.seq2seq.data.codecs import Codecs
from tasks.seq2seq.data.scaling import Scaling
from tasks.seq2seq.data.vocabulary import Vocabulary
from tasks.seq2seq.errors import ExportError
from tasks.seq2seq.export.verification import MAX_BATCH, TOLERANCE, Samples, Verifier

WORDS = Vocabulary.learn("words", {"a": 1, "b": 1}, "target")  # ids 4 and 5, the end is 2
CODECS = Codecs(WORDS, WORDS)
SOURCES = Sequences.of_lengths(np.array([4, 5, 5, 4, 4], np.int32), np.array([2, 3]))
# Steps x vocabulary: the model says a, then the end, then b.
LOGITS = np.log([[1, 1, 1, 1, 8, 4], [1, 1, 9, 1, 2, 2], [1, 1, 1, 1, 2, 10]]).astype(np.float32)
SAID = [4, 2, 2]
LOG_PROBABILITY = np.log(8 / 16) + np.log(9 / 16)  # the step after the end counts for nothing


def table(source, _fed):
    return tf.tile(tf.constant(LOGITS)[None], (tf.shape(source)[0], 1, 1))


def says(tokens=SAID, log_probability=LOG_PROBABILITY, row=1):
    """An export that says what the table does, but in a row."""

    def decode(source):
        answer = {"tokens": np.array([SAID] * len(source)), "log_probability": np.full(len(source), LOG_PROBABILITY)}
        answer["tokens"][row], answer["log_probability"][row] = tokens, log_probability
        return answer

    return decode


def verify(decode, teacher=table):
    Verifier(teacher, CODECS, Samples(SOURCES), n_steps=3).check("the export", decode)


def test_an_export_that_says_what_the_model_holds_likeliest_is_accepted():
    verify(says())


@pytest.mark.parametrize(
    ("tokens", "said"),
    [
        ([5, 2, 2], r"\[5 2 2\], the one of step 1 is not the likeliest"),
        ([4, 5, 5], r"\[4 5 5\], the one of step 2 is not"),
        ([4, 2, 5], r"\[4 2 5\], the one of step 3 is not"),
        ([4, 2, 6], r"its tokens are \[4 2 6\], ids are below 6"),
        ([4, -1, 2], "ids are below 6"),
    ],
    ids=["token", "no end", "after the end", "no id", "negative"],
)
def test_another_token_is_refused_and_the_message_shows_the_source(tokens, said):
    with pytest.raises(ExportError, match=r"the export answers otherwise .* for the source \[5 4 4 2\]: .*" + said):
        verify(says(tokens))


@pytest.mark.parametrize("wrong", [LOG_PROBABILITY + 3 * TOLERANCE, np.nan])
def test_another_log_probability_is_refused(wrong):
    with pytest.raises(ExportError, match=r"its log-probability is .*, expected -1\.268"):
        verify(says(log_probability=wrong))


@pytest.mark.parametrize("off", [1.8 * TOLERANCE, -1.8 * TOLERANCE])
def test_the_log_probability_of_two_steps_may_be_off_by_the_rounding_of_both(off):
    """By 3 times as much it is refused, see above: the third step, after the end, does not count."""
    verify(says(log_probability=LOG_PROBABILITY + off))


@pytest.mark.parametrize(("less", "is_tie"), [(TOLERANCE / 2, True), (TOLERANCE * 4, False)])
def test_of_two_tokens_that_are_equally_likely_to_rounding_either_is_right(less, is_tie):
    logits = LOGITS.copy()
    logits[0, 5] = logits[0, 4] - less
    score = logits[0, 5] - np.log(np.exp(logits[0]).sum()) + np.log(9 / 16)

    def decode(source):
        n = len(source)
        return {"tokens": np.array([[5, 2, 2]] * n), "log_probability": np.full(n, score)}

    def teacher(source, _fed):
        return tf.tile(tf.constant(logits)[None], (tf.shape(source)[0], 1, 1))

    if is_tie:
        verify(decode, teacher)
    else:
        with pytest.raises(ExportError):
            verify(decode, teacher)


def test_the_model_is_fed_what_the_export_decoded_a_step_later():
    fed = []

    def teacher(source, decoder_input):
        tf.py_function(lambda value: fed.extend(value.numpy().tolist()), [decoder_input], [])
        return table(source, decoder_input)

    verify(says(), teacher)
    assert fed == [[WORDS.start, 4, 2]] * 2


SCALING = Scaling((0.0,), (1.0,), (0.0,), (1.0,))


@pytest.mark.parametrize(("off", "accepted"), [(0, True), (TOLERANCE / 2, True), (-3 * TOLERANCE, False)])
def test_vectors_must_be_what_the_model_gives_after_those_before(off, accepted):
    """This one counts: each vector is the one before and 1."""
    verifier = Verifier(
        lambda _source, fed: fed + 1,
        Codecs(SCALING, SCALING),
        Samples(Sequences.of_rows(np.ones((3, 2, 1)))),
        n_steps=3,
    )

    def decode(source):
        vectors = np.tile(np.array([1, 2, 3], np.float32)[:, None], (len(source), 1, 1))
        vectors[1, 0] += off
        return {"vectors": vectors}

    if accepted:
        verifier.check("the export", decode)
    else:
        with pytest.raises(ExportError, match=r"its vectors are .*, expected"):
            verifier.check("the export", decode)


def test_all_sources_are_decoded_in_batches_of_like_lengths():
    n = MAX_BATCH + 10
    lengths = np.arange(n) % 7
    sources = Sequences.of_lengths(np.full(lengths.sum(), 4, np.int32), lengths)
    widths = []

    def decode(source):
        widths.append(source.shape)
        return says(row=0)(source)

    Verifier(table, CODECS, Samples(sources), n_steps=3).check("the export", decode)
    assert widths == [(MAX_BATCH, 7), (10, 7)]  # the longest ones of 6 tokens and an end


def test_what_is_verified_on_is_spread_over_all_lengths():
    lengths = np.array([1] * 50 + [2] * 40 + [9])
    sources = Sequences.of_lengths(np.ones(lengths.sum(), np.int32), lengths)
    pairs = Pairs(sources, sources, ahead=lengths[:, None, None].astype(np.float64))
    spread = Samples.spread(pairs, 10)
    assert spread.source.lengths.tolist() == [1] * 5 + [2] * 4 + [9]
    assert spread.ahead is not None
    assert spread.ahead.ravel().tolist() == spread.source.lengths.tolist()
    assert len(Samples.spread(pairs, 1000).source) == 91
    assert len(Samples.spread(pairs.part(0, 0), 5).source) == len(Samples.spread(pairs, 0).source) == 0


def test_settings_of_tensorflow_are_after_a_check_what_they_were():
    """Whether graphs are rewritten, and how finely they multiply, matters to all that runs in the process."""
    before = tf.config.optimizer.get_experimental_options().get("disable_meta_optimizer", False)
    verify(says())
    assert tf.config.experimental.tensor_float_32_execution_enabled()
    assert tf.config.optimizer.get_experimental_options().get("disable_meta_optimizer", False) == before
