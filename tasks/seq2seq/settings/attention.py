"""The names of the attention scores, and what settings have to know of each.

`tasks.seq2seq.models.attention_scores` computes them in Keras, `tasks.seq2seq.inference.graphs.attention_scores` in the
graphs that predict; a test sees that the names are the same.
"""

from __future__ import annotations

from typing import NamedTuple


class AttentionNeeds(NamedTuple):
    """What a score asks of the model around it.

    equal_widths: it multiplies the decoder's output with the encoder's, which are then of one width.
    feeds_input: it is part of a cell that takes what was attended to in the step before.
    has_keys: it compares queries with a learned projection of the memory, the keys, which is the same for all queries
        and therefore made once.
    """

    equal_widths: bool = False
    feeds_input: bool = False
    has_keys: bool = False


ATTENTION_SCORES: dict[str, AttentionNeeds] = {
    "luong_dot": AttentionNeeds(equal_widths=True),
    "luong_general": AttentionNeeds(),
    "bahdanau": AttentionNeeds(feeds_input=True, has_keys=True),
}
NO_ATTENTION = "none"
