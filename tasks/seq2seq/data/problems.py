"""The synthetic problems: each says how long its targets are, which symbols it has, and the right answer.

Sources and targets are arrays of symbol ids, `(n, length) int32` in 1..cardinality; 0 is reserved.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tasks.seq2seq.arrays.aliases import Ids
from tasks.seq2seq.errors import SettingsError

ADDITION_SYMBOLS = "0123456789+"


@dataclass(frozen=True)
class Dimensions:
    """The size of one problem: lengths in time steps, cardinality in content symbols."""

    n_in: int
    n_out: int
    cardinality: int


@dataclass(frozen=True)
class Problem:
    """A family of pairs: `target` maps sources `(n, n_in)` to targets `(n, n_out)`."""

    description: str
    target: Callable[[Ids, int], Ids]
    draw: Callable[[np.random.Generator, int, Dimensions], Ids]
    n_in: int = 6
    n_out: Callable[[int], int] | None = None  # None: the user's choice
    cardinality: int | None = None  # None: the user's choice
    longest_is_source: bool = False
    symbols: str | None = None  # how to write ids 1, 2, ...; None: as numbers
    sources: Callable[[Dimensions], int] = lambda size: size.cardinality**size.n_in


def _draw_uniform(rng: np.random.Generator, n: int, size: Dimensions) -> Ids:
    return rng.integers(1, size.cardinality + 1, (n, size.n_in), dtype=np.int32)


def _draw_sums(rng: np.random.Generator, n: int, size: Dimensions) -> Ids:
    sources = rng.integers(1, 11, (n, size.n_in), dtype=np.int32)
    sources[:, size.n_in // 2] = len(ADDITION_SYMBOLS)  # the plus sign
    return sources


def _add(source: Ids, n_out: int) -> Ids:
    """Adds digit by digit with a carry, so that numbers of any length fit."""
    digits = source.shape[1] // 2
    left, right = source[:, :digits] - 1, source[:, digits + 1 :] - 1
    total = np.empty((len(source), n_out), np.int32)
    carry = np.zeros(len(source), np.int32)
    for place in range(1, digits + 1):
        carry, total[:, -place] = np.divmod(left[:, -place] + right[:, -place] + carry, 10)
    total[:, 0] = carry
    return total + 1


PROBLEMS: dict[str, Problem] = {
    "reverse_first": Problem(
        "the first n_out of n_in integers, reversed (the tutorial's)",
        lambda source, n_out: source[:, :n_out][:, ::-1],
        _draw_uniform,
        longest_is_source=True,
    ),
    "reverse": Problem(
        "all integers, reversed", lambda source, _: source[:, ::-1], _draw_uniform, n_out=lambda n_in: n_in
    ),
    "copy": Problem("the same integers again", lambda source, _: source, _draw_uniform, n_out=lambda n_in: n_in),
    "sort": Problem(
        "the integers in ascending order",
        lambda source, _: np.sort(source, axis=1),
        _draw_uniform,
        n_out=lambda n_in: n_in,
    ),
    "addition": Problem(
        "the sum of two numbers, written digit by digit (n_in: both numbers and the plus sign)",
        _add,
        _draw_sums,
        n_in=7,
        n_out=lambda n_in: n_in // 2 + 1,
        cardinality=len(ADDITION_SYMBOLS),
        symbols=ADDITION_SYMBOLS,
        sources=lambda size: 10 ** (size.n_in - 1),
    ),
}

DEFAULT_N_OUT, DEFAULT_CARDINALITY = 3, 50


def resolve_dimensions(name: str, n_in: int | None, n_out: int | None, cardinality: int | None) -> Dimensions:
    """Fills in what the problem derives or the tutorial sets, and refuses what contradicts it.

    Args:
        name: a key of `PROBLEMS`.
        n_in: source length in time steps, or None for the problem's own.
        n_out: target length, or None; refused where the problem derives it.
        cardinality: content symbols, or None; refused where the problem derives it.

    Raises:
        SettingsError: a derived size is set, a target is longer than its source, or `addition` has
            no place for its plus sign.
    """
    problem = PROBLEMS[name]
    n_in = problem.n_in if n_in is None else n_in
    if name == "addition" and (n_in < 3 or n_in % 2 == 0):  # noqa: PLR2004 - one digit, plus, one digit
        raise SettingsError(
            f"data.n_in is {n_in}; addition writes two numbers of equal length around a plus sign, "
            f"so give an odd number of at least 3 (7 is three digits each)"
        )
    if problem.n_out is not None and n_out is not None:
        raise SettingsError(
            f"data.n_out is set to {n_out}, but the problem {name!r} derives it from n_in "
            f"(here {problem.n_out(n_in)}); remove data.n_out"
        )
    if problem.cardinality is not None and cardinality is not None:
        raise SettingsError(
            f"data.cardinality is set to {cardinality}, but the problem {name!r} has exactly "
            f"{problem.cardinality} symbols; remove data.cardinality"
        )
    if n_out is None:
        n_out = problem.n_out(n_in) if problem.n_out else min(DEFAULT_N_OUT, n_in)
    if problem.longest_is_source and n_out > n_in:
        raise SettingsError(
            f"data.n_out is {n_out} but data.n_in is {n_in}; the problem {name!r} reverses the first n_out "
            f"of n_in integers, so n_out can be at most n_in"
        )
    return Dimensions(n_in, n_out, cardinality or problem.cardinality or DEFAULT_CARDINALITY)


def make_targets(name: str, source: Ids, size: Dimensions) -> Ids:
    """The right answers, `(n, n_out) int32`, to sources of shape `(n, n_in)`."""
    return np.ascontiguousarray(PROBLEMS[name].target(source, size.n_out))
