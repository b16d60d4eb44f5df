"""What stands between the user's values and the model's: a vocabulary or a scaling for each side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tasks.seq2seq.data.scaling import Scaling
from tasks.seq2seq.data.vocabulary import Vocabulary

Codec = Vocabulary | Scaling


@dataclass(frozen=True)
class Codecs:
    """What stands between the user's values and the model's, one a side."""

    source: Codec
    target: Codec

    def for_loss(self, loss: str | None) -> Codecs:
        """The codecs that a model with this loss is trained with: directions are not to be shifted."""
        if loss != "cosine_similarity" or not isinstance(self.target, Scaling):
            return self
        return Codecs(self.source, self.target.directional())

    def to_json(self) -> dict[str, Any]:
        """A plain dictionary that `from_json` takes back."""
        return {"source": self.source.to_json(), "target": self.target.to_json()}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Codecs:
        """The codecs that `to_json` wrote."""
        return cls(_codec(content["source"]), _codec(content["target"]))


def _codec(content: Mapping[str, Any]) -> Codec:
    return Scaling.from_json(content) if content.get("kind") == "vectors" else Vocabulary.from_json(content)
