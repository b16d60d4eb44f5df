"""What an attention score is; `tasks.seq2seq.models.attention_scores` lists all of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from tasks.seq2seq.models.tensors import Tensor


class AttentionScore(ABC):
    """How well a query of the decoder fits each step of the memory, which is what the encoder put out.

    Attributes:
        name: in `model.attention`.
    """

    name: ClassVar[str]

    def weights(self, units: int, features: int) -> dict[str, tuple[int, ...]]:  # noqa: ARG002 - of those that need them
        """The shapes of its learned weights, by name.

        Args:
            units: width of queries, and of keys.
            features: width of the memory.
        """
        return {}

    @abstractmethod
    def compare(self, query: Tensor, memory: Tensor, keys: Tensor | None, weights: dict[str, Tensor]) -> Tensor:
        """The scores, `(batch, target_length, source_length)`; padding is left out by the layer that asks.

        Args:
            query: `(batch, target_length, units)`.
            memory: `(batch, source_length, features)`.
            keys: `(batch, source_length, units)`; None of a score without keys (`AttentionNeeds.has_keys`).
            weights: those that `weights` names.
        """
