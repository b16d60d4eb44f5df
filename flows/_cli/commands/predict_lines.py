"""What a prediction of lines is asked for: a model, and the lines where they are not read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from flows._cli.command import Command
from flows._cli.settings import Options, Tree
from tasks.seq2seq.settings.decoding import DecodingSettings
from tasks.seq2seq.settings.rules import check_section
from tasks.seq2seq.settings.section import Section


class LinesSettings(Section):
    """The lines, and what predicts them."""

    lines: tuple[str, ...] = Field(
        (), description="the lines to predict, each in quotes where it has spaces (what is typed, or piped in)"
    )
    model: str | None = Field(
        None,
        description="the model: a promoted name, the first digits of a bundle's digest, or a bundle's folder in the "
        "store (the only promoted name)",
    )
    decoding: DecodingSettings = Field(
        default_factory=DecodingSettings, description="how sequences are chosen; what is not set is the model's own"
    )


def check_lines(raw: Mapping[str, Any]) -> LinesSettings:
    """The prediction that `raw` asks for.

    Raises:
        SettingsError: naming every fault.
    """
    return check_section(LinesSettings, raw)


COMMAND = Command(
    name="predict_lines",
    description=(
        "Predict lines of text as they are given, typed or piped in, without a server or files. A line is written as "
        'a field of a CSV is. Example: python -m flows.predict_lines --model g2p "hello"'
    ),
    tree=Tree(LinesSettings, check_lines, title="lines", word="lines"),
    options=Options,
    first=(
        "lines",
        "model",
        "store",
        "decoding.method",
        "decoding.beam_width",
        "decoding.n_best",
        "decoding.temperature",
        "decoding.top_k",
        "decoding.max_length",
        "quiet",
    ),
    fills_store=False,
)
