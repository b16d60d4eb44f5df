"""The numbers that sampling draws by: of a source's content, the seed and the time step, and of nothing else.

So that what is drawn for a row depends neither on its batch, nor on order, padding or threads.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tasks.seq2seq.arrays.hashing import Hashes, mix, sequence_hashes, unit_interval
from tasks.seq2seq.arrays.sequences import Sequences, Values


def source_keys(source: Sequences, seed: int) -> Hashes:
    """A number for each source, tokens or vectors, from its content and the seed alone, `(n,)`."""
    steps = source.values[source.offsets[0] : source.offsets[-1]]
    content = sequence_hashes(_step_hashes(steps), source.offsets - source.offsets[0])
    return mix(content ^ mix(np.array([seed], np.uint64)))


def _step_hashes(steps: Values) -> Hashes:
    if steps.ndim == 1:
        return mix(steps.astype(np.uint64))
    result = np.zeros(len(steps), np.uint64)
    for feature in (steps.astype(np.float64) + 0.0).view(np.uint64).T:  # -0.0 is 0.0
        result = mix(result ^ feature)
    return result


def drawn_numbers(keys: Hashes, first: int, steps: int) -> NDArray[np.float64]:
    """Numbers in [0, 1), evenly spread, `(n, steps)`: by source, `keys` `(n,)`, and time step, `first` and on."""
    return unit_interval(mix(keys[:, None] ^ mix(np.arange(first, first + steps, dtype=np.uint64))))
