"""Sequences as a person is shown them, so that where one time step ends and the next begins can be seen."""

from __future__ import annotations

from collections.abc import Sequence

_SPACES = str.maketrans({" ": "␣", "\t": "⇥", "\n": "⏎", "\r": "⏎"})


def write_steps(encoding: str, steps: Sequence[object]) -> str:
    """The time steps of a sequence in one line.

    Args:
        encoding: integers, characters, words or vectors.
        steps: integers, characters, words, or lists of numbers.

    Returns:
        `[1, 2]`; `c a t`, spaces among the characters as `␣`; `the | cat`; `[0.5, 1]` of one feature, of several
        `[(0.5 2), (1 3)]`.
    """
    if encoding == "characters":
        return " ".join(str(step).translate(_SPACES) for step in steps)
    if encoding == "words":
        return " | ".join(map(str, steps))
    return f"[{', '.join(map(_write_step, steps))}]"


def _write_step(step: object) -> str:
    if isinstance(step, Sequence) and not isinstance(step, str):
        numbers = " ".join(f"{value:.4g}" for value in step)
        return numbers if len(step) == 1 else f"({numbers})"
    return str(step)
