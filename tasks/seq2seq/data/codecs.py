"""What stands between the user's values and the model's: a vocabulary or a scaling for each side.

What is asked of either, `Codec` lists, and each answers for itself: nobody else needs to know which one it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from tasks.seq2seq.arrays.sequences import Sequences
from tasks.seq2seq.data.scaling import Scaling
from tasks.seq2seq.data.teacher_forcing import TeacherForcing
from tasks.seq2seq.data.vocabulary import Vocabulary


class Codec(Protocol):
    """One side's, learned from its training data."""

    @property
    def kind(self) -> str:
        """What a time step is to the user: integers, characters, words or vectors."""

    @property
    def is_tokens(self) -> bool:
        """Whether time steps are ids of symbols, which have probabilities, and not numbers."""

    @property
    def size(self) -> int:
        """How many ids there are; 0 of vectors."""

    @property
    def features(self) -> int:
        """How many numbers a time step holds; 0 of ids."""

    @property
    def unknown(self) -> int | None:
        """The id of what training has not seen; None where there is none."""

    @property
    def has_end(self) -> bool:
        """Whether sequences end with an id of their own."""

    @property
    def flag(self) -> str:
        """The name of what tells that a source is unlike those of training."""

    def flags(self, sequences: Sequences) -> dict[str, NDArray[Any]]:
        """How far each sequence is unlike those of training, `(n,)`, by that name; empty where none can be."""

    def directional(self) -> Self:
        """The codec for losses that compare directions."""

    def encode(self, values: NDArray[Any]) -> NDArray[Any]:
        """The user's time steps as a dataset holds them."""

    def source_array(self, sequences: Sequences, width: int | None = None) -> NDArray[Any]:
        """Sources as the encoder takes them, padded to `width` time steps (None: no more than needed)."""

    def teacher_forcing(self, targets: Sequences) -> TeacherForcing:
        """Targets as the training model takes them."""

    def label_steps(self, steps: NDArray[Any]) -> list[str]:
        """What each time step of a sequence is called where it is drawn."""

    def write(self, steps: NDArray[Any]) -> str:
        """A sequence in a line, as a person would write it."""

    def to_json(self) -> dict[str, Any]:
        """A plain dictionary that `Codecs.from_json` takes back."""


@dataclass(frozen=True)
class Codecs:
    """What stands between the user's values and the model's, one a side.

    `ahead`: the scaling of what is known of each target step beforehand; None where nothing is.
    """

    source: Codec
    target: Codec
    ahead: Scaling | None = field(default=None, kw_only=True)

    def for_loss(self, loss: str | None) -> Codecs:
        """The codecs that a model with this loss is trained with: directions are not to be shifted."""
        return replace(self, target=self.target.directional()) if loss == "cosine_similarity" else self

    def standardised_ahead(self, ahead: NDArray[np.float64] | None) -> NDArray[np.float32] | None:
        """What is known beforehand, `(n, steps, features)`, as the decoder takes it; None where it takes nothing."""
        return None if ahead is None or self.ahead is None else self.ahead.standardise(ahead)

    def to_json(self) -> dict[str, Any]:
        """A plain dictionary that `from_json` takes back."""
        ahead = {} if self.ahead is None else {"ahead": self.ahead.to_json()}
        return {"source": self.source.to_json(), "target": self.target.to_json(), **ahead}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Codecs:
        """The codecs that `to_json` wrote."""
        ahead = content.get("ahead")
        return cls(
            _codec(content["source"]),
            _codec(content["target"]),
            ahead=None if ahead is None else Scaling.from_json(ahead),
        )


def _codec(content: Mapping[str, Any]) -> Codec:
    return Scaling.from_json(content) if content.get("kind") == Scaling.kind else Vocabulary.from_json(content)
