"""What the modules of models share: the type of a tensor, and how many steps are written out."""

from __future__ import annotations

from typing import Any

Tensor = Any  # a symbolic or eager Keras tensor: Keras ships no types


# So many steps are written out where their number is known beforehand: a loop costs its own time at each.
UNROLLED_STEPS = 16
