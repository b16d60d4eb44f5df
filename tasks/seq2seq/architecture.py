"""What the shapes of a model's weights depend on; apart from the models, so that no Keras is loaded."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Architecture:
    """Sizes of the model; vocabularies include the reserved ids.

    `embedding` is the width of the embeddings, or 0 for one-hot vectors made inside the graph.
    """

    source_vocabulary: int
    target_vocabulary: int
    units: int
    embedding: int
