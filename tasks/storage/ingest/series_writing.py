"""Ordered steps become a dataset: stored once, cut into splits and windows, learned from and counted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from tasks.seq2seq.arrays.hashing import Hashes, is_among, mix
from tasks.seq2seq.arrays.sequences import Rows, Sequences
from tasks.seq2seq.data.codec_training import finish_both, intakes_of
from tasks.seq2seq.data.codecs import Codecs
from tasks.seq2seq.data.odd_values import OddValues
from tasks.seq2seq.data.scaling import Moments, Scaling
from tasks.seq2seq.data.splits import SPLITS
from tasks.seq2seq.data.windows import SeriesSteps, cut_windows, find_lasts, lasts_within, measure_levels
from tasks.seq2seq.metrics.forecasts import NaiveScale
from tasks.seq2seq.settings.data import FilesData
from tasks.storage.artifacts.stored_series import TABLE, ArrayFile, SeriesWriter, series_table, with_numbers
from tasks.storage.ingest.categories import Categories
from tasks.storage.ingest.duplicates import RepeatCounter
from tasks.storage.ingest.ordered_steps import OrderedSteps, Steps
from tasks.storage.ingest.series_arrays import PlacedSeries, SeriesArrays, plan_of
from tasks.storage.ingest.series_names import SeriesNames
from tasks.storage.ingest.series_reading import value_columns
from tasks.storage.ingest.series_splits import SeriesCounted, bounds_of
from tasks.storage.ingest.window_hashes import window_hashes

_LEARNED_WINDOWS = 100_000  # of a bucket, that scalings of windows are learned from; spread evenly where there are more


class SeriesMaker:
    """Makes a dataset of ordered steps, a bucket after the other.

    Args:
        data: the settings.
        steps: what put them in order, and says what a step is.
        names: the series.
        writer: takes the arrays.
        held_out: hashes of sources, ascending, that neither training nor validation may see.
        folder: for what is set aside meanwhile.
        categories: of the series.
        numbered: whether sources say which series they are of, by a number behind all else.
    """

    def __init__(
        self,
        data: FilesData,
        steps: Steps,
        names: SeriesNames,
        writer: SeriesWriter,
        held_out: Hashes,
        folder: Path,
        categories: Categories,
        *,
        numbered: bool = False,
    ) -> None:
        self.data, self.plan = data, plan_of(data)
        self._arrays = SeriesArrays(data, value_columns(data), names, categories)
        self._arrays.step, self._arrays.time = steps.step, steps.time
        self.season = data.season or (steps.time.axis.season if steps.time else 1)
        self.repeats = RepeatCounter(folder / "repeats")
        self.n_steps = 0
        self._categories = categories.names
        self._steps, self._names, self._writer, self._held_out = steps, names, writer, held_out
        self._intakes = intakes_of(data.source_encoding, data.target_encoding, shared=data.shared_vocabulary)
        self._known, self._static = Moments(len(data.columns_of("known"))), Moments(len(data.columns_of("static")))
        self._naive = NaiveScale(self.season)
        self._odd: dict[str | int, OddValues] = {}
        self._slot = 0
        self._ids = names.numbers_of_ids() if numbered else None
        n = len(names)
        self._lengths, self._held_back = np.zeros(n, np.int64), np.zeros(n, np.int64)
        self._windows = {split: np.zeros(n, np.int64) for split in SPLITS}
        self._tables: list[dict[str, NDArray[Any]]] = []

    def add(self, ordered: OrderedSteps) -> None:
        """Takes in the steps of some series, which come whole."""
        found = ordered.take(ordered.is_there)
        placed = self._arrays.place(found, self._slot, self._names.counted("read"))
        if not len(found.series):
            return
        self._slot = placed.end
        self._lengths[placed.numbers] = placed.lengths
        steps = self._arrays.make(found, placed)
        if self._ids is not None:
            steps = with_numbers(steps, self._ids[placed.numbers])
        cuts = bounds_of(placed.lengths, [self._names.keys[number] for number in placed.numbers], self.data)
        bounds = {split: cut + placed.first_slots for split, cut in cuts.items()}
        steps, free = self._with_levels(steps, bounds), self._free(steps, bounds, placed)
        lasts = self._lasts(steps, bounds, free, placed)
        self._learn(steps, free & self._in_time(steps, bounds["train"]), lasts["train"])
        self._count_odd(found)
        self._write(steps, found, placed, lasts)

    def _with_levels(self, steps: SeriesSteps, bounds: dict[str, NDArray[np.int64]]) -> SeriesSteps:
        if self.plan.scale != "series":
            return steps
        in_training = self._in_time(steps, bounds["train"])
        series = steps.series_of(np.arange(len(steps)))
        # A series without a step of training is measured by all its steps.
        has_none = np.bincount(series, in_training, minlength=len(steps.firsts) - 1) == 0
        used = in_training | has_none[series]
        source, target = (
            measure_levels(side[used], series[used], len(has_none)) for side in (steps.source, steps.target)
        )
        return SeriesSteps(**{**vars(steps), "levels": (source, target)})

    @staticmethod
    def _in_time(steps: SeriesSteps, bounds: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Steps that lie in a time of their series."""
        series = steps.series_of(np.arange(len(steps)))
        inside: NDArray[np.bool_] = (steps.slots >= bounds[0][series]) & (steps.slots < bounds[1][series])
        return inside

    def _free(
        self, steps: SeriesSteps, bounds: dict[str, NDArray[np.int64]], placed: PlacedSeries
    ) -> NDArray[np.bool_]:
        """Steps that training and validation may see: all but those of windows of the holdout before the test.

        A window that only overlaps one would show its target, so its steps are taken, not its source alone.
        """
        if not self._held_out.size:
            return np.ones(len(steps), np.bool_)
        lasts = find_lasts(steps, self.plan, 0)
        found = lasts[is_among(window_hashes(steps, lasts, self.plan, self._intakes[0], "source"), self._held_out)]
        slots = steps.slots[found]
        first = np.searchsorted(steps.slots, slots - self.plan.history + 1)
        end = np.searchsorted(steps.slots, slots + self.plan.horizon + 1)
        end = np.minimum(end, steps.firsts[steps.series_of(found) + 1])
        covered = np.zeros(len(steps) + 1, np.int64)
        np.add.at(covered, first, 1)
        np.add.at(covered, end, -1)
        is_own = np.array([self._names.keys[number] == "train" for number in placed.numbers])
        test = np.where(is_own, bounds["test"][0], placed.first_slots + placed.lengths)
        series = steps.series_of(np.arange(len(steps)))
        taken: NDArray[np.bool_] = (np.cumsum(covered[:-1]) > 0) & (steps.slots < test[series])
        return ~taken

    def _lasts(
        self, steps: SeriesSteps, bounds: dict[str, NDArray[np.int64]], free: NDArray[np.bool_], placed: PlacedSeries
    ) -> dict[str, Rows]:
        before = steps.slots[steps.firsts[:-1]] - placed.first_slots
        every = find_lasts(steps, self.plan, self.plan.horizon, before)
        taken = np.concatenate([[0], np.cumsum(~free)])
        is_free = taken[every + self.plan.horizon + 1] == taken[every + 1 - self.plan.history]
        found = {}
        for split in SPLITS:
            inside = lasts_within(steps, every, self.plan.horizon, *bounds[split])
            kept = inside if split == "test" else inside[is_free[np.searchsorted(every, inside)]]
            for lasts, counts, sign in ((inside, self._held_back, 1), (kept, self._held_back, -1)):
                counts[placed.numbers] += sign * steps.counts_of(lasts)
            self._windows[split][placed.numbers] = steps.counts_of(kept)
            found[split] = kept
        return found

    def _learn(self, steps: SeriesSteps, learned: NDArray[np.bool_], lasts: Rows) -> None:
        """Learns from the time steps of training, or from its windows where they are framed."""
        if self.plan.relative or self.plan.scale != "global":
            self._learn_windows(steps, lasts)
        else:
            sides = [steps.source, steps.target]
            same = self.data.source_columns == self.data.target_columns
            if self._intakes[0] is self._intakes[1] and same:
                sides.pop()  # a time step that is both counts once
            for intake, side in zip(self._intakes, sides, strict=False):
                intake.learn(intake.stage(side[learned], None))
        self._known.add(steps.ahead[learned][:, : len(self.data.columns_of("known"))])
        if steps.static is not None:
            self._static.add(steps.static[:, : len(self.data.columns_of("static"))])
        if self.data.target_encoding == "vectors":
            at = np.flatnonzero(learned)
            if len(at):
                borders = np.flatnonzero(np.diff(steps.slots[at]) != 1) + 1
                offsets = np.concatenate([[0], borders, [len(at)]])
                self._naive.add(Sequences(steps.target[at], offsets))

    def _learn_windows(self, steps: SeriesSteps, lasts: Rows) -> None:
        every = max(1, -(-len(lasts) // _LEARNED_WINDOWS))
        plain = SeriesSteps(**{**vars(steps), "ahead": np.zeros((len(steps), 0)), "filled": None, "static": None})
        for first in range(0, len(lasts), every * 1024):
            pairs = cut_windows(plain, lasts[first : first + every * 1024 : every], self.plan).pairs
            for intake, side in zip(self._intakes, (pairs.source, pairs.target), strict=True):
                intake.learn(intake.stage(side.values, None))

    def _count_odd(self, found: OrderedSteps) -> None:
        for side in ("source", "target"):
            if getattr(self.data, f"{side}_encoding") != "vectors":
                continue
            for name in getattr(self.data, f"{side}_columns"):
                if side == "source" or name not in self.data.source_columns:
                    values = self._arrays.column(found.values, name)
                    self._odd.setdefault(name, OddValues()).add(values[~found.is_filled])

    def _write(self, steps: SeriesSteps, found: OrderedSteps, placed: PlacedSeries, lasts: dict[str, Rows]) -> None:
        writer, first = self._writer, self.n_steps
        writer.append("steps.source", steps.source)
        if not self._arrays.is_one:
            writer.append("steps.target", steps.target)
        writer.append("steps.slot", steps.slots)
        writer.append("steps.ahead", steps.ahead)
        writer.append("steps.file", found.files.astype(np.int32))
        writer.append("steps.row", found.rows)
        if steps.filled is not None:
            writer.append("steps.filled", steps.filled)
        every = np.concatenate([lasts[split] for split in SPLITS])
        ends = np.cumsum([len(lasts[split]) for split in SPLITS])[:-1]
        sources = np.split(window_hashes(steps, every, self.plan, self._intakes[0], "source"), ends)
        targets = np.split(window_hashes(steps, every, self.plan, self._intakes[1], "target"), ends)
        for i, (split, source, target) in enumerate(zip(SPLITS, sources, targets, strict=True)):
            self.repeats.add(source, mix(source) ^ target, np.full(len(source), i, np.int8))
            writer.append(f"windows.{split}", lasts[split] + first)
            if split == "test":
                writer.append("windows.hash", source)
        levels = steps.levels or ()
        self._tables.append(
            {
                "number": placed.numbers,
                "first_step": steps.firsts[:-1] + first,
                "first_slot": placed.first_slots,
                "first_index": placed.first_indices,
                "phase": placed.phases,
                "static": np.zeros((len(placed.numbers), 0)) if steps.static is None else steps.static,
                **{
                    f"{side}_{name}": values
                    for side, one in zip(("source", "target"), levels, strict=False)
                    for name, values in (("mean", one.centre), ("scale", one.scale))
                },
            }
        )
        self.n_steps += len(steps)

    def counted(self) -> SeriesCounted:
        """What was found of each series."""
        rejected = self._names.counted("rejected")
        gaps = self._steps.counts.gaps if self.data.time is not None else 0
        return SeriesCounted(self._names.keys, self._lengths, rejected, self._held_back, self._windows, gaps)

    def finish(self) -> Codecs:
        """What was learned.

        Raises:
            DataError: fewer than two symbols.
        """
        data = self.data
        columns = (data.source_columns, data.target_columns)
        codecs = finish_both(self._intakes, columns, data.min_count, data.max_vocabulary)
        n_kinds = sum(map(len, self._categories.values()))
        if not (data.known or data.calendar or data.static or n_kinds or data.filling or self.n_ids):
            return codecs
        assert isinstance(codecs.source, Scaling)
        ahead = self._known.finish().beside(Scaling.unchanged(2 * len(data.calendar)))
        filled, kinds = Scaling.unchanged(1 if data.filling else 0), Scaling.unchanged(n_kinds)
        beside = [ahead, filled, self._static.finish(), kinds, self._scaling_of_ids()]
        return Codecs(codecs.source.beside(*beside), codecs.target, ahead=ahead if ahead.features else None)

    @property
    def n_ids(self) -> int:
        """How many numbers of series there are, 0 of those that are not known among them; 0 where none are told."""
        return 0 if self._ids is None else int(self._ids.max(initial=0)) + 1

    def _scaling_of_ids(self) -> Scaling:
        if not self.n_ids:
            return Scaling.unchanged(0)
        return Scaling((0.0,), (1.0,), (0.0,), (float(self.n_ids - 1),))

    def write_table(self, folder: Path) -> None:
        """Writes the table of series that have steps."""
        joined = {name: np.concatenate([table[name] for table in self._tables]) for name in self._tables[0]}
        numbers = joined["number"].tolist()
        names, counted = self._names, self.counted()
        ids = {
            f"id.{i}": [names.ids[number][i] for number in numbers] for i in range(len(self.data.columns_of("series")))
        }
        pq.write_table(
            series_table(
                {
                    **joined,
                    "setting": [names.keys[number] for number in numbers],
                    "first_file": [names.files[number] for number in numbers],
                    **ids,
                    "time_steps": self._lengths[numbers],
                    "read": names.counted("read")[numbers],
                    "rejected": counted.rejected[numbers],
                    **{f"{split}_windows": counted.windows[split][numbers] for split in SPLITS},
                }
            ),
            folder / TABLE,
        )

    def naive_scale(self) -> list[float | None] | None:
        """The in-sample error of the naive forecast at lag `season`, by feature; None where it has none."""
        if self.data.target_encoding != "vectors":
            return None
        return [float(value) if np.isfinite(value) else None for value in self._naive.scale()]

    def sentinels(self) -> list[dict[str, Any]]:
        """The odd values of each column of numbers."""
        return [{"column": str(name), **found._asdict()} for name, odd in self._odd.items() for found in odd.finish()]

    def account(self, number: int, counted: SeriesCounted) -> dict[str, Any]:
        """Where each row of a series went: origin of a window, history only, or rejected."""
        windows = {split: int(counted.windows[split][number]) for split in SPLITS}
        read, rejected = (int(self._names.counted(name)[number]) for name in ("read", "rejected"))
        ids = self._names.ids[number]
        return {
            "file": self._names.files[number],
            **({"series": list(ids)} if ids else {}),
            "read": read,
            "windows": sum(windows.values()),
            "history_only": read - sum(windows.values()) - rejected,
            "rejected": rejected,
            "windows_by_split": windows,
        }


def encode_symbols(folder: Path, codecs: Codecs) -> None:
    """Puts ids in place of the integers that were stored, once the vocabulary is known."""
    for side in ("source", "target"):
        codec, path = getattr(codecs, side), folder / f"steps.{side}.npy"
        if not codec.is_tokens or not path.exists():
            continue
        values = np.load(path, mmap_mode="r", allow_pickle=False)
        encoded = ArrayFile(path.with_suffix(".part"), np.zeros(0, np.int32))
        for first in range(0, len(values), 1 << 20):
            encoded.append(codec.encode(np.asarray(values[first : first + (1 << 20)])))
        encoded.close()
        path.with_suffix(".part").replace(path)
