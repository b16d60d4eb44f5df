"""The table of decoding methods: how each searches, over any step function.

docs/adding.md shows how one is added: a search in a module of its own, its row here, and its row in
`tasks.seq2seq.settings.decoding`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from tasks.seq2seq.models.beam import BeamSearch
from tasks.seq2seq.models.decoding import Search, StepByStep, StepFunction, likeliest, sampler
from tasks.seq2seq.settings.decoding import DecodingSettings


class DecodingMethod(NamedTuple):
    """A decoding method.

    search: makes the search of a step function, the settings, the steps to decode at most, and the token that ends a
        sequence (None: they end by their length alone).
    width: hypotheses that are followed of each source.
    draws: whether tokens are drawn, by numbers that follow from the source and `decoding.seed`.
    """

    search: Callable[[StepFunction, DecodingSettings, int, int | None], Search]
    width: Callable[[DecodingSettings], int] = lambda _decoding: 1
    draws: bool = False


def _greedy(step: StepFunction, _decoding: DecodingSettings, n_steps: int, end: int | None) -> Search:
    return StepByStep(step, likeliest, n_steps, end)


def _beam(step: StepFunction, decoding: DecodingSettings, n_steps: int, end: int | None) -> Search:
    return BeamSearch(step, n_steps, end, decoding.beam_width, decoding.length_penalty, decoding.n_best)


def _sample(step: StepFunction, decoding: DecodingSettings, n_steps: int, end: int | None) -> Search:
    return StepByStep(step, sampler(decoding.temperature, decoding.top_k), n_steps, end)


METHODS: dict[str, DecodingMethod] = {
    "greedy": DecodingMethod(_greedy),
    "beam": DecodingMethod(_beam, width=lambda decoding: decoding.beam_width),
    "sample": DecodingMethod(_sample, draws=True),
}
