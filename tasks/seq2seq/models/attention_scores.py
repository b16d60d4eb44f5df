"""The table of attention scores.

docs/adding.md shows how one is added: a module of its own, its row here, and its row in
`tasks.seq2seq.settings.attention`.

Sources: M.-T. Luong, H. Pham, C. D. Manning, "Effective approaches to attention-based neural machine translation"
(2015), for `dot` and `general`; D. Bahdanau, K. Cho, Y. Bengio, "Neural machine translation by jointly learning to
align and translate" (2015), for the additive score.
"""

from __future__ import annotations

import tensorflow as tf
from keras import ops

from tasks.seq2seq.models.attention_score import AttentionScore
from tasks.seq2seq.models.tensors import Tensor


class LuongDot(AttentionScore):
    """query . memory; nothing is learned."""

    name = "luong_dot"

    def compare(self, query: Tensor, memory: Tensor, _keys: Tensor | None, _weights: dict[str, Tensor]) -> Tensor:
        """See `AttentionScore`."""
        return tf.matmul(query, memory, transpose_b=True)


class LuongGeneral(AttentionScore):
    """(W query) . memory."""

    name = "luong_general"

    def weights(self, units: int, features: int) -> dict[str, tuple[int, ...]]:
        """W."""
        return {"query_kernel": (units, features)}

    def compare(self, query: Tensor, memory: Tensor, _keys: Tensor | None, weights: dict[str, Tensor]) -> Tensor:
        """See `AttentionScore`."""
        return tf.matmul(ops.matmul(query, weights["query_kernel"]), memory, transpose_b=True)


class Bahdanau(AttentionScore):
    """v . tanh(W query + key)."""

    name = "bahdanau"

    def weights(self, units: int, _features: int) -> dict[str, tuple[int, ...]]:
        """W and v."""
        return {"query_kernel": (units, units), "score_kernel": (units, 1)}

    def compare(self, query: Tensor, _memory: Tensor, keys: Tensor | None, weights: dict[str, Tensor]) -> Tensor:
        """See `AttentionScore`."""
        projected = ops.matmul(query, weights["query_kernel"])
        both = tf.tanh(tf.expand_dims(projected, 2) + tf.expand_dims(keys, 1))  # batch x target x source x units
        return ops.squeeze(ops.matmul(both, weights["score_kernel"]), axis=-1)


SCORES: dict[str, AttentionScore] = {
    score.name: score
    for score in (
        LuongDot(),
        LuongGeneral(),
        Bahdanau(),
    )
}
