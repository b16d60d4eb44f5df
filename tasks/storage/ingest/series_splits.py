"""The time of each split of each series, and what keeps a split from having windows."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.seq2seq.arrays.sequences import Rows
from tasks.seq2seq.data.splits import SPLITS
from tasks.seq2seq.data.windows import cuts_in_time, fractions_with_windows
from tasks.seq2seq.errors import DataError
from tasks.seq2seq.settings.data import FilesData


class SeriesCounted(NamedTuple):
    """All series of a dataset, `(series,)` each.

    keys: the setting that each was found through.
    lengths: time steps from its first to its last, those that are missing among them.
    rejected: its rows that cannot be used.
    held_back: windows that training and validation lost to the holdout.
    windows: those of each split, by name.
    n_gaps: how many gaps there are, in all of them together.
    """

    keys: list[str]
    lengths: Rows
    rejected: Rows
    held_back: Rows
    windows: dict[str, Rows]
    n_gaps: int = 0

    def of_key(self, key: str) -> SeriesCounted:
        """Those that were found through a setting."""
        chosen = np.flatnonzero([one == key for one in self.keys])
        return SeriesCounted(
            [key] * len(chosen),
            self.lengths[chosen],
            self.rejected[chosen],
            self.held_back[chosen],
            {split: found[chosen] for split, found in self.windows.items()},
            self.n_gaps,
        )


def fractions(data: FilesData) -> tuple[float, float]:
    """The shares of a training series that are for validation and for test: none where they have files of their own."""
    return 0.0 if data.validation else data.validation_fraction, 0.0 if data.test else data.test_fraction


def bounds_of(lengths: Rows, keys: list[str], data: FilesData) -> dict[str, NDArray[np.int64]]:
    """The first step of each split, and the one after its last, `(2, series)`, by split; steps count from 0."""
    cuts = np.array([cuts_in_time(n, *fractions(data)) for n in lengths.tolist()], np.int64).reshape(-1, 2)
    own = np.array([SPLITS.index(key) for key in keys], np.int64)
    none = np.zeros_like(lengths)
    inner = {"train": (none, cuts[:, 0]), "validation": (cuts[:, 0], cuts[:, 1]), "test": (cuts[:, 1], lengths)}
    return {
        split: np.stack(
            [
                np.where(own == 0, inner[split][0], none),
                np.where(own == 0, inner[split][1], np.where(own == i, lengths, none)),
            ]
        )
        for i, split in enumerate(SPLITS)
    }


def check_splits(data: FilesData, counted: SeriesCounted) -> None:
    """Refuses splits that are wanted and have no window.

    Raises:
        DataError: with what keeps windows out, and what would do.
    """
    for split in SPLITS:
        wanted = split != "validation" or data.validation or data.validation_fraction
        if wanted and not counted.windows[split].sum():
            key = split if split in data.places else "train"
            why = _why_no_window(split, data, counted.of_key(key))
            raise DataError(f"{data.places[key]}: no window falls into the {split} split: {why}")


def _why_no_window(split: str, data: FilesData, of: SeriesCounted) -> str:
    """What keeps all windows of some series out of a split, and what would help."""
    assert data.history is not None
    assert data.horizon is not None
    lengths = of.lengths.tolist() or [0]
    of_series = f"a series of {lengths[0]}" if len(lengths) == 1 else f"{len(lengths)} series of {_span(lengths)}"
    sizes = f"a history of {data.history} and a horizon of {data.horizon}"
    others = "give longer series, or files of their own with data.validation and data.test"
    if split in data.places and split != "train":
        if max(lengths) < data.history + data.horizon:
            return f"{of_series} time step(s) is too short for {sizes}; shorten them, or give longer series"
        return _why_none_is_left(data, of)
    shares = fractions(data)
    bounds = [cuts_in_time(n, *shares) for n in lengths]
    named = dict(zip(SPLITS[1:], shares, strict=True))
    if split == "train":
        kept, need, than = [first for first, _ in bounds], data.history + data.horizon, sizes
        part = f"what {' and '.join(f'data.{name}_fraction = {f:g}' for name, f in named.items() if f)} leave"
        part = part if any(shares) else "all"
    else:
        kept = [n - last if split == "test" else last - first for n, (first, last) in zip(lengths, bounds, strict=True)]
        need, than = data.horizon, f"a horizon of {data.horizon}"
        part = f"data.{split}_fraction = {named[split]:g}"
    if max(kept) >= need:
        return _why_none_is_left(data, of)
    found = f"{part} of {of_series} time step(s) is {_span(kept)} of them, too few for {than}"
    enough = fractions_with_windows(max(lengths), shares, data.history, data.horizon)
    if enough is None:
        least = data.history + (1 + sum(map(bool, shares))) * data.horizon
        return (
            f"{found}; for {sizes} a series needs {least} time steps or more to have a window in each split: shorten "
            f"them, {others}"
        )
    would_do = " and ".join(f"data.{name}_fraction = {f:g}" for name, f in zip(named, enough, strict=True) if f)
    longest = "it" if len(lengths) == 1 else "the longest of them"
    return f"{found}; for {longest} {would_do} would do; or shorten history and horizon, {others}"


def _why_none_is_left(data: FilesData, of: SeriesCounted) -> str:
    rejected, held_back = int(of.rejected.sum()), int(of.held_back.sum())
    gaps = f"lies across one of the {of.n_gaps} gap(s) in data.time, " if of.n_gaps else ""
    mend = "mend the rows, " if not of.n_gaps else "mend the rows, fill gaps with data.gaps, "
    return (
        f"there are time steps enough for a history of {data.history} and a horizon of {data.horizon}, but each window "
        f"{gaps}holds one of the {rejected} row(s) that cannot be used, is one of the {held_back} that the holdout of "
        f"this name keeps, or is passed over by data.stride = {data.stride}; {mend}give longer series, or another "
        f"stride"
    )


def _span(numbers: list[int]) -> str:
    low, high = min(numbers), max(numbers)
    return str(low) if low == high else f"{low} to {high}"
