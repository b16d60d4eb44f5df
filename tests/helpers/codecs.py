"""Codecs as what a test knows them to be."""

from tasks.seq2seq.data.codecs import Codec
from tasks.seq2seq.data.scaling import Scaling
from tasks.seq2seq.data.vocabulary import Vocabulary


def as_vocabulary(codec: Codec) -> Vocabulary:
    """A side's codec where that side is of tokens."""
    assert isinstance(codec, Vocabulary)
    return codec


def as_scaling(codec: Codec) -> Scaling:
    """A side's codec where that side is of vectors."""
    assert isinstance(codec, Scaling)
    return codec
