"""What the shapes of a model's weights and tensors depend on; no Keras is needed to say it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from tasks.seq2seq.data.quantiles import Quantiles
from tasks.seq2seq.settings.model import ModelSettings


@dataclass(frozen=True)
class Side:
    """What a time step of one side is: a token of `vocabulary` ids, or a vector of `features` numbers.

    The vocabulary includes the reserved ids. One of the two is 0.
    """

    vocabulary: int = 0
    features: int = 0


@dataclass(frozen=True)
class Architecture:
    """The model that the settings ask for on data of these two sides.

    `masked`: sources are padded, and padding changes nothing. `ahead`: numbers that are known of each target step
    beforehand, which the decoder is given beside the vector of the step before. `series`: how many series there are,
    an unknown one among them, where sources say which one they are of. `quantiles`: those that are forecast of each
    feature, see `tasks.seq2seq.data.quantiles`; none: one number.
    """

    source: Side
    target: Side
    masked: bool
    settings: ModelSettings
    ahead: int = 0
    series: int = 0
    quantiles: Quantiles = ()

    @property
    def outputs(self) -> int:
        """Numbers that the decoder puts out at a step of vectors."""
        return self.target.features * max(1, len(self.quantiles))

    @property
    def embeds_series(self) -> bool:
        """Whether the encoder is given an embedding of the series, whose number is the last feature of a source."""
        return bool(self.series and self.settings.series_embedding)

    @property
    def read(self) -> int:
        """Numbers that the encoder reads at a step of vectors, the mark of what is there among them."""
        given = self.source.features + self.masked
        return given - 1 + self.settings.series_embedding if self.embeds_series else given

    @property
    def fed(self) -> int:
        """Numbers that the decoder is given at a step of vectors."""
        return self.target.features + self.ahead

    def without_dropout(self) -> Architecture:
        """The same for inference: Keras draws what to drop of the recurrent state even where nothing is dropped."""
        nothing = dict.fromkeys(("dropout", "output_dropout", "recurrent_dropout"), 0.0)
        return dataclasses.replace(self, settings=self.settings.model_copy(update=nothing))


PARTS = {"lstm": ("state_h", "state_c"), "gru": ("state_h",)}  # of a layer's state; the first is its output


def state_names(settings: ModelSettings) -> list[str]:
    """The parts of the decoder's state in their order; see `tasks.seq2seq.models.encoder_decoder.Models`."""
    depth = settings.decoder_depth
    names = [numbered(name, i, depth) for i in range(depth) for name in PARTS[settings.cell]]
    return [*names, *(["attentional"] if settings.feeds_input else [])]


def memory_names(settings: ModelSettings) -> list[str]:
    """The parts of the memory in their order; see `tasks.seq2seq.models.encoder_decoder.Models`."""
    if not settings.attends:
        return []
    return ["memory", *(["memory_keys"] if settings.attention_needs.has_keys else []), "memory_mask"]


def numbered(name: str, i: int, n: int) -> str:
    """The name of the `i`-th of `n`, which a single one has for itself."""
    return name if n == 1 else f"{name}_{i + 1}"
