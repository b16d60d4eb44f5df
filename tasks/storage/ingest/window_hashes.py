"""Hashes of the sources and targets of windows: a step is hashed once, however many windows it is in."""

from __future__ import annotations

from typing import Literal

import numpy as np

from tasks.seq2seq.arrays.hashing import Hashes, run_hashes, sequence_hashes
from tasks.seq2seq.arrays.sequences import Rows
from tasks.seq2seq.data.codec_training import Intake
from tasks.seq2seq.data.windows import SeriesSteps, WindowPlan

_AT_ONCE = 1 << 21  # hashes of steps that are gathered


def window_hashes(
    steps: SeriesSteps, lasts: Rows, plan: WindowPlan, intake: Intake, side: Literal["source", "target"]
) -> Hashes:
    """One hash a window, of the side's own values, `(n,)`: as they are, or as differences where windows are relative.

    Args:
        steps: of all series, as they are staged.
        lasts: the windows.
        plan: how they are cut.
        intake: hashes steps.
        side: which.
    """
    values = getattr(steps, side)
    length, first = (plan.history, 1 - plan.history) if side == "source" else (plan.horizon, 1)
    whole = None if plan.relative else intake.hashes(values)
    if whole is not None and len(lasts) * length > len(whole):  # windows overlap, so that all runs are soon hashed
        return run_hashes(whole, length)[lasts + first]
    found, size = [], max(1, _AT_ONCE // length)
    for i in range(0, len(lasts), size):
        chosen = lasts[i : i + size]
        at = chosen[:, None] + np.arange(first, first + length)
        if whole is None:
            differences = values[at] - values[chosen][:, None]
            of_steps = intake.hashes(differences.reshape(-1, *values.shape[1:]))
        else:
            of_steps = whole[at].reshape(-1)
        found.append(sequence_hashes(of_steps, np.arange(len(chosen) + 1, dtype=np.int64) * length))
    return np.concatenate(found) if found else np.zeros(0, np.uint64)
