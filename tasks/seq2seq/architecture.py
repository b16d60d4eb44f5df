"""What the shapes of a model's weights depend on; apart from the models, so that no Keras is loaded."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Side:
    """What a time step of one side is: a token of `vocabulary` ids, or a vector of `features` numbers.

    The vocabulary includes the reserved ids. One of the two is 0.
    """

    vocabulary: int = 0
    features: int = 0


@dataclass(frozen=True)
class Architecture:
    """Sizes of the model.

    `embedding` is the width of the embeddings, or 0 for one-hot vectors made inside the graph. `masked`:
    sources are padded, and padding leaves the encoder's state as it is.
    """

    source: Side
    target: Side
    units: int
    embedding: int
    masked: bool
