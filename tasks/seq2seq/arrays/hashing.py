"""Row hashes: to keep training off the fresh set, to split by source, to count repeats."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.seq2seq.arrays.sequences import Rows

Hashes = NDArray[np.uint64]

_STEP = np.uint64(0x9E3779B97F4A7C15)


def row_hashes(rows: NDArray[np.integer[Any]], seed: int = 0) -> Hashes:
    """One 64-bit hash a row of `(n, length)` integers, `(n,) uint64`; equal rows agree.

    Source: the finalizer of SplitMix64, G. L. Steele et al., "Fast splittable pseudorandom number
    generators" (2014), applied after each value.
    """
    result = np.full(len(rows), mix(np.array([seed], np.uint64))[0])
    for column in rows.T:
        result = mix(result ^ column.astype(np.uint64))
    return result


def mix(values: Hashes) -> Hashes:
    """Each value scattered over all 64 bits, one to one."""
    values = values + _STEP
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def text_hashes(texts: Iterable[str]) -> Hashes:
    """One 64-bit hash a text, the same on every machine."""
    digests = [hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest() for text in texts]
    return np.frombuffer(b"".join(digests), np.uint64)


def sequence_hashes(step_hashes: Hashes, offsets: Rows, seed: int = 0) -> Hashes:
    """One 64-bit hash a sequence of any length, `(n,) uint64`; equal sequences agree.

    Args:
        step_hashes: a hash of each time step, `(total,)`, end to end.
        offsets: where each sequence begins, `(n + 1,)`.
        seed: another seed gives other hashes.

    Source: multilinear hashing, D. Lemire and O. Kaser, "Strongly universal string hashing is fast",
    The Computer Journal 57 (2014); the length goes in as a step of its own.
    """
    lengths = np.diff(offsets)
    longest = int(lengths.max()) if len(lengths) else 0
    keys = _keys(longest, seed)
    step_hashes = step_hashes[offsets[0] : offsets[-1]]
    result = lengths.astype(np.uint64) * keys[0]
    if longest and len(step_hashes) == longest * len(lengths):  # all of one length: half the time
        return mix(result + (step_hashes.reshape(-1, longest) * keys[1:]).sum(axis=1, dtype=np.uint64))
    position = np.arange(offsets[0], offsets[-1]) - np.repeat(offsets[:-1], lengths) + 1
    weighted = step_hashes * keys[position]
    filled = np.flatnonzero(lengths)
    if filled.size:
        result[filled] += np.add.reduceat(weighted, offsets[filled] - offsets[0])
    return mix(result)


def run_hashes(step_hashes: Hashes, length: int) -> Hashes:
    """The hash of each run of so many time steps, `(total - length + 1,)`, as `sequence_hashes` gives it.

    Args:
        step_hashes: a hash of each time step, `(total,)`, end to end; at least `length`.
        length: time steps of a run, at least one.
    """
    keys = _keys(length)
    result = np.full(len(step_hashes) + 1 - length, length, np.uint64) * keys[0]
    for i in range(length):
        result += step_hashes[i : len(result) + i] * keys[i + 1]
    return mix(result)


def _keys(longest: int, seed: int = 0) -> Hashes:
    """An odd number for the length of a sequence, and one for each place in it."""
    return mix(np.arange(longest + 1, dtype=np.uint64) ^ mix(np.array([seed], np.uint64))) | np.uint64(1)


def unit_interval(hashes: Hashes) -> NDArray[np.float64]:
    """Hashes as numbers in [0, 1), evenly spread."""
    return (hashes >> np.uint64(11)).astype(np.float64) / 2.0**53


def is_among(hashes: Hashes, others: Hashes) -> NDArray[np.bool_]:
    """Which of `hashes` are in `others` (sorted ascending), `(n,) bool`."""
    if not others.size:
        return np.zeros(len(hashes), np.bool_)
    nearest = np.minimum(np.searchsorted(others, hashes), len(others) - 1)
    found: NDArray[np.bool_] = others[nearest] == hashes
    return found
