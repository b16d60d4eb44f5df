"""What the shapes of a model's weights depend on; apart from the models, so that no Keras is loaded."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

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

    `masked`: sources are padded, and padding changes nothing.
    """

    source: Side
    target: Side
    masked: bool
    settings: ModelSettings

    def without_dropout(self) -> Architecture:
        """The same for inference: Keras draws what to drop of the recurrent state even where nothing is dropped."""
        nothing = dict.fromkeys(("dropout", "output_dropout", "recurrent_dropout"), 0.0)
        return dataclasses.replace(self, settings=self.settings.model_copy(update=nothing))
