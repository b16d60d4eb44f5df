"""Settings of `[decoding]`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from pydantic import Field

from tasks.seq2seq.settings.section import Section


class MethodRule(NamedTuple):
    """What settings have to know of a decoding method.

    meaning: in words.
    settings: the names of those that only it has.
    for_vectors: whether it decodes vectors too, which are not chosen among.
    """

    meaning: str
    settings: tuple[str, ...] = ()
    for_vectors: bool = False


# `tasks.seq2seq.inference.search.methods` searches by them; a test sees that the names are the same.
DECODING_METHODS: dict[str, MethodRule] = {
    "greedy": MethodRule("the likeliest token at each step", for_vectors=True),
    "beam": MethodRule(
        "the likeliest of several sequences that are followed at once", ("beam_width", "length_penalty", "n_best")
    ),
    "sample": MethodRule("a token drawn by its probability", ("temperature", "top_k", "seed")),
}

if TYPE_CHECKING:
    MethodName = str
else:
    MethodName = Literal[*DECODING_METHODS]


class DecodingSettings(Section):
    """How a sequence is chosen among those that the model holds likely."""

    method: MethodName = Field(
        "greedy", description="; ".join(f"{name}: {rule.meaning}" for name, rule in DECODING_METHODS.items())
    )
    beam_width: int = Field(5, ge=1, le=1_000, description="sequences that beam search follows at once")
    length_penalty: float = Field(
        0.0,
        ge=0,
        le=10,
        allow_inf_nan=False,
        description="beam: log-probabilities are compared after division by ((5 + length) / 6) to this power; 0 "
        "compares them as they are, 1 favours longer sequences",
    )
    n_best: int = Field(1, ge=1, le=1_000, description="beam: sequences given for each source, at most beam_width")
    temperature: float = Field(
        1.0,
        gt=0,
        le=100,
        allow_inf_nan=False,
        description="sample: logits are divided by it; below 1 likely tokens become likelier, above 1 less so",
    )
    top_k: int | None = Field(None, ge=1, description="sample: only among so many likeliest tokens (all)")
    seed: int = Field(
        0, ge=0, lt=2**31, description="sample: another seed draws other sequences; the same source and seed, the same"
    )
    max_length: int | None = Field(
        None,
        ge=1,
        le=1_000_000,
        description="tokens of a prediction at most (the longest target of training); none may follow but the end",
    )
