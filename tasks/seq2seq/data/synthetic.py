"""Drawing synthetic pairs: the fresh evaluation set first, then training chunks that avoid it.

Training and evaluation draw from separate streams of one seed, and each training chunk from a stream
of its own, so that a chunk is the same whatever is drawn before it, and memory holds one chunk.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tasks.seq2seq.arrays.aliases import Ids
from tasks.seq2seq.arrays.hashing import Hashes, is_among, row_hashes
from tasks.seq2seq.arrays.sequences import Pairs
from tasks.seq2seq.data.problems import PROBLEMS, Dimensions, make_targets
from tasks.seq2seq.errors import SettingsError

CHUNK_ROWS = 65_536
_EVALUATION_STREAM, _TRAINING_STREAM = 0, 1
NOTHING: Hashes = np.zeros(0, np.uint64)


def check_fresh_sources(name: str, size: Dimensions, n_fresh: int) -> None:
    """Refuses a fresh set that would take more than half of all sources there are.

    Raises:
        SettingsError: with the number of different sources and of those asked for.
    """
    available = PROBLEMS[name].sources(size)
    if 2 * n_fresh > available:
        raise SettingsError(
            f"evaluation.n_samples asks for {n_fresh} fresh sources that training never sees, but the problem "
            f"{name!r} with n_in = {size.n_in} and cardinality = {size.cardinality} has only {available} "
            f"different sources, and at least half of them are left to training; lower "
            f"evaluation.n_samples to {available // 2} or fewer, or raise data.cardinality or data.n_in"
        )


def draw_fresh(name: str, size: Dimensions, n: int, seed: int) -> Pairs:
    """`n` pairs with different sources, from the evaluation stream.

    Raises:
        SettingsError: there are too few sources (see `check_fresh_sources`).
    """
    check_fresh_sources(name, size, n)
    rng = np.random.default_rng([seed, _EVALUATION_STREAM])
    sources = np.empty((0, size.n_in), np.int32)
    while len(sources) < n:
        sources = np.concatenate([sources, PROBLEMS[name].draw(rng, 2 * n, size)])
        _, first = np.unique(sources, axis=0, return_index=True)
        sources = sources[np.sort(first)]  # in the order drawn
    sources = sources[:n]
    return Pairs.of_rows(sources, make_targets(name, sources, size))


def draw_training(
    name: str, size: Dimensions, n: int, seed: int, fresh: Ids, held_out: Hashes = NOTHING
) -> Iterator[Pairs]:
    """`n` training pairs in chunks of `CHUNK_ROWS`, none with a source of `fresh` `(m, n_in)` or of `held_out`.

    Sources are compared by hash: one that only shares a fresh source's hash is drawn again too.

    Raises:
        SettingsError: no source is left.
    """
    taken = np.unique(np.concatenate([row_hashes(fresh), held_out]))
    if len(taken) >= PROBLEMS[name].sources(size):
        raise SettingsError(
            f"all {len(taken)} sources of the problem {name!r} are held out, by this experiment's fresh set and by the "
            f"holdout of its name; raise data.cardinality or data.n_in, or give the experiment another name"
        )
    for chunk, start in enumerate(range(0, n, CHUNK_ROWS)):
        rng = np.random.default_rng([seed, _TRAINING_STREAM, chunk])
        source = PROBLEMS[name].draw(rng, min(CHUNK_ROWS, n - start), size)
        while (seen := np.flatnonzero(is_among(row_hashes(source), taken))).size:
            source[seen] = PROBLEMS[name].draw(rng, seen.size, size)
        yield Pairs.of_rows(source, make_targets(name, source, size))
