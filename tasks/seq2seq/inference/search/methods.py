"""The table of decoding methods: how each searches, over any step function.

docs/adding.md shows how one is added: a search in a module of its own, its row here, and its row in
`tasks.seq2seq.settings.decoding`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from tasks.seq2seq.arrays.hashing import Hashes
from tasks.seq2seq.inference.search.beam import BeamSettings, beam_search
from tasks.seq2seq.inference.search.choices import sampler
from tasks.seq2seq.inference.search.hypotheses import Decoded
from tasks.seq2seq.inference.search.step_by_step import decode_step_by_step
from tasks.seq2seq.inference.search.step_function import Encoded, StepFunction
from tasks.seq2seq.settings.decoding import DecodingSettings


class Search(NamedTuple):
    """What is to be decoded.

    encoded: what the decoder starts from.
    start, end: the tokens that begin and end a sequence; no end: they end by their length only.
    n_steps: time steps to decode at most, an end's included.
    keys: to draw by, one a source, `(sources,)`, for methods that draw.
    """

    encoded: Encoded
    start: int
    n_steps: int
    end: int | None
    keys: Hashes | None = None


class DecodingMethod(NamedTuple):
    """A decoding method.

    search: the hypotheses of each source, of a step function, what is to be decoded, and the settings.
    width: hypotheses that are followed of each source.
    draws: whether tokens are drawn, by numbers that follow from the source and `decoding.seed`.
    """

    search: Callable[[StepFunction, Search, DecodingSettings], Decoded]
    width: Callable[[DecodingSettings], int] = lambda _decoding: 1
    draws: bool = False


def _greedy(step: StepFunction, search: Search, _decoding: DecodingSettings) -> Decoded:
    return decode_step_by_step(step, search.encoded, search.start, search.n_steps, search.end)


def _beam(step: StepFunction, search: Search, decoding: DecodingSettings) -> Decoded:
    settings = BeamSettings(search.n_steps, search.end, decoding.beam_width, decoding.length_penalty, decoding.n_best)
    return beam_search(step, search.encoded, search.start, settings)


def _sample(step: StepFunction, search: Search, decoding: DecodingSettings) -> Decoded:
    choose = sampler(decoding.temperature, decoding.top_k)
    return decode_step_by_step(step, search.encoded, search.start, search.n_steps, search.end, choose, search.keys)


METHODS: dict[str, DecodingMethod] = {
    "greedy": DecodingMethod(_greedy),
    "beam": DecodingMethod(_beam, width=lambda decoding: decoding.beam_width),
    "sample": DecodingMethod(_sample, draws=True),
}
