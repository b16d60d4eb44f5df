"""The architectures and problems that are held against PyTorch; both sides read them here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

TOKENS, EMBEDDING, UNITS, BATCH = 51, 64, 128, 256
DECODE_BATCHES = (32, 256, 1024, 4096)


@dataclass(frozen=True)
class Problem:
    """Sources of `n_in` tokens, and targets: their first `n_out`, reversed. `samples` are trained on, one epoch."""

    n_in: int
    n_out: int
    samples: int


@dataclass(frozen=True)
class Shape:
    """An architecture: LSTMs of `UNITS`, a layer or more a side, from one direction or two, with attention or without.

    Two directions come to the decoder's state through a dense layer with tanh; attention is Luong's "general".
    """

    layers: int = 1
    bidirectional: bool = False
    attention: bool = False
    input_feeding: bool = False
    problems: tuple[str, ...] = field(default=("short", "long"), kw_only=True)

    @property
    def settings(self) -> dict[str, Any]:
        """The same as settings of ours, `[model]`."""
        return {
            "units": UNITS,
            "embedding": EMBEDDING,
            "layers": self.layers,
            "bidirectional": self.bidirectional,
            "attention": "luong_general" if self.attention else "none",
            "input_feeding": self.input_feeding,
        }


PROBLEMS = {"short": Problem(6, 3, 100 * BATCH), "long": Problem(20, 20, 50 * BATCH)}
SHAPES = {
    "one_layer": Shape(),
    "two_layers": Shape(layers=2),
    "bidirectional": Shape(bidirectional=True),
    "attention": Shape(attention=True),
    "input_feeding": Shape(attention=True, input_feeding=True),
}


def decode_calls(batch: int) -> int:
    """How many batches are decoded to take their time."""
    return max(3, 20_000 // batch)
