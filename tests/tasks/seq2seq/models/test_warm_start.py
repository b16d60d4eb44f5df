"""Weights carried over from one model to another whose vocabularies differ."""

import numpy as np
import pytest

from tasks.seq2seq.data.codecs import Codecs
from tasks.seq2seq.data.vocabulary import Vocabulary
from tasks.seq2seq.errors import TrainingError
from tasks.seq2seq.models.encoder_decoder import build_models
from tasks.seq2seq.models.warm_start import carry_over
from tasks.seq2seq.settings.architecture import Architecture, Side
from tasks.seq2seq.settings.model import ModelSettings
from tests.helpers.codecs import as_vocabulary

BEFORE = Codecs(Vocabulary("characters", ("a", "b", "c")), Vocabulary("words", ("X", "Y")))
AFTER = Codecs(Vocabulary("characters", ("0", "b", "c", "d")), Vocabulary("words", ("W", "X", "Y", "Z")))


def models(codecs, embedding=5, units=4):
    source, target = (Side(codec.size, 0) for codec in (codecs.source, codecs.target))
    return build_models(Architecture(source, target, True, ModelSettings(units=units, embedding=embedding)))


def outputs(train, codecs, source, target):
    """Logits of the symbols that both vocabularies have, at each step, without their common shift."""
    ids = [np.array([[*codec.encode_words(words)]], np.int32) if codec.kind == "words"
           else np.array([[codec._ids[word] for word in words]], np.int32)
           for codec, words in zip((codecs.source, codecs.target), (source, target), strict=True)]  # fmt: skip
    logits = np.array(train([ids[0], ids[1]]))[0]
    return logits[:, [codecs.target._ids["X"], codecs.target._ids["Y"], codecs.target.end]]


@pytest.mark.parametrize("embedding", [5, 0, 7], ids=["embedded", "one-hot", "embeddings as wide as the vocabulary"])
def test_what_both_models_know_is_said_alike_and_new_symbols_are_new(embedding):
    before, after = models(BEFORE, embedding), models(AFTER, embedding)
    carry_over(after.train, (before.encoder, before.decoder), BEFORE, AFTER)
    asked = (["b", "c"], ["X", "Y"])
    found, expected = outputs(after.train, AFTER, *asked), outputs(before.train, BEFORE, *asked)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_a_new_symbol_keeps_the_weights_it_was_initialised_with():
    before, after = models(BEFORE), models(AFTER)
    new = as_vocabulary(AFTER.source)._ids["d"]
    initial = after.train.get_layer("source_features").weights[0].numpy()[new]
    carry_over(after.train, (before.encoder, before.decoder), BEFORE, AFTER)
    assert (after.train.get_layer("source_features").weights[0].numpy()[new] == initial).all()


def test_the_three_models_still_share_their_weights():
    before, after = models(BEFORE), models(AFTER)
    carry_over(after.train, (before.encoder, before.decoder), BEFORE, AFTER)
    ours, theirs = (model.get_layer("encoder").weights[0].numpy() for model in (after.encoder, before.encoder))
    assert (ours == theirs).all()


def test_another_architecture_is_refused_with_both_shapes():
    before, after = models(BEFORE), models(AFTER, units=6)
    with pytest.raises(TrainingError, match=r"shape .* where .* is expected; set training.start to scratch"):
        carry_over(after.train, (before.encoder, before.decoder), BEFORE, AFTER)
