"""Series in a dataset: each step is stored once, and windows are numbers of steps that are cut while they are fed.

steps.NAME.npy       a row a time step, series by series, in the order of time: `source` and `target` (ids, or float64
                     features), `ahead` (what is known of a step beforehand), `slot` (see `tasks.seq2seq.data.windows`),
                     `file` and `row` (where it is from), `filled`; `target` and `filled` only where they are of use
windows.SPLIT.npy    the last step of the history of each window, ascending
series.parquet       a row a series: its ids, its place among the steps, its place in time, what was read of it
series.json          how windows are cut, the step of time, the season, and for MASE the error of the naive forecast

All arrays are read where they lie, by mapping the files: a dataset may be larger than memory.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tasks.seq2seq.arrays.sequences import Pairs, Rows
from tasks.seq2seq.data.backtest import Backtest, Origins
from tasks.seq2seq.data.quantiles import PREFIX
from tasks.seq2seq.data.time_axis import Stamps, Step
from tasks.seq2seq.data.windows import Levels, SeriesSteps, WindowPlan, Windows, cut_windows
from tasks.seq2seq.errors import ArtifactError
from tasks.storage.artifacts.parquet_files import read_parquet
from tasks.storage.artifacts.shapes import SeriesFile
from tasks.storage.artifacts.stamps import TimeFacts, to_stamps
from tasks.storage.files.json_files import read_json

SERIES, TABLE = "series.json", "series.parquet"
# Windows that lie side by side stay so when windows are shuffled, and as many steps are cut at once at most.
SIDE_BY_SIDE, BLOCK_STEPS = 1_024, 2**23
_VERSION = (1, 0)  # of the files' headers, as numpy counts it


class ArrayFile:
    """A `.npy` file that grows, row by row; how many there are is written last."""

    def __init__(self, path: Path, like: NDArray[Any]) -> None:
        """Takes the file, and an array whose type and whose dimensions but the first are those of all rows."""
        self._file: IO[bytes] = path.open("wb")
        self._shape, self._type, self._rows = like.shape[1:], like.dtype, 0
        self._write_header()

    def _write_header(self) -> None:
        header = {"descr": np.lib.format.dtype_to_descr(self._type), "fortran_order": False}
        np.lib.format.write_array_header_1_0(self._file, {**header, "shape": (self._rows, *self._shape)})

    def append(self, rows: NDArray[Any]) -> None:
        """Adds rows."""
        self._file.write(np.ascontiguousarray(rows, self._type).data if rows.size else b"")
        self._rows += len(rows)

    def close(self) -> None:
        """Finishes the file; the header has room for any number."""
        self._file.seek(0)
        self._write_header()
        self._file.close()


class SeriesWriter:
    """Writes the arrays of a dataset of series, series after series."""

    def __init__(self, folder: Path) -> None:
        """Takes the folder."""
        self._folder = folder
        self._files: dict[str, ArrayFile] = {}

    def append(self, name: str, rows: NDArray[Any]) -> None:
        """Adds rows to an array, by its name without the suffix."""
        if name not in self._files:
            self._files[name] = ArrayFile(self._folder / f"{name}.npy", rows)
        self._files[name].append(rows)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for file in self._files.values():
            file.close()


def is_series(folder: Path) -> bool:
    """Whether a dataset, or a holdout, is of series."""
    return (folder / TABLE).exists()


def series_files(folder: Path, split: str) -> list[str]:
    """The files that one split of a dataset needs."""
    arrays = [path.name for path in sorted(folder.glob("steps.*.npy"))]
    return [*arrays, f"windows.{split}.npy", *(["windows.hash.npy"] if split == "test" else []), TABLE, SERIES]


def with_numbers(steps: SeriesSteps, numbers: Rows) -> SeriesSteps:
    """Steps whose sources say which series they are of, by a number `(series,)` behind what else is known of them."""
    before = np.zeros((len(numbers), 0)) if steps.static is None else steps.static
    return replace(steps, static=np.concatenate([before, numbers[:, None].astype(np.float64)], axis=1))


def read_table(folder: Path) -> pa.Table:
    """The table of series of a dataset, a holdout or a bundle."""
    return read_parquet(folder / TABLE)


def numbers_by_ids(table: pa.Table) -> dict[tuple[str, ...], int]:
    """The number by which each series of a table is told, by its ids."""
    columns = [table[name].to_pylist() for name in table.column_names if name.startswith("id.")]
    numbers = list_matrix(table["static"])[:, -1].astype(np.int64).tolist()
    return dict(zip(zip(*columns, strict=True), numbers, strict=True))


def copy_known_series(dataset: Path, bundle: Path) -> None:
    """Copies what a model must know of the series that it is trained on into its bundle; of pairs there is nothing."""
    if is_series(dataset):
        for name in (SERIES, TABLE):
            shutil.copyfile(dataset / name, bundle / name)


@dataclass(frozen=True)
class StoredSeries:
    """The series of a dataset, opened; nothing is read before it is asked for.

    Attributes:
        folder: of the dataset, or of a holdout.
        table_of_model: the table of another dataset, whose numbers of series are to be told instead of its own.
    """

    folder: Path
    table_of_model: pa.Table | None = None

    @cached_property
    def described(self) -> SeriesFile:
        """What `series.json` says."""
        return read_json(self.folder / SERIES, SeriesFile)

    @cached_property
    def plan(self) -> WindowPlan:
        """How windows are cut."""
        return WindowPlan(**self.described["plan"])

    @cached_property
    def table(self) -> pa.Table:
        """A row a series."""
        return read_table(self.folder)

    @cached_property
    def steps(self) -> SeriesSteps:
        """All steps."""
        source = self._array("steps.source")
        has_target = (self.folder / "steps.target.npy").exists()
        n = len(source)
        firsts = np.append(self.table["first_step"].to_numpy(), n)
        has_filled = (self.folder / "steps.filled.npy").exists()
        return SeriesSteps(
            source=source,
            target=self._array("steps.target") if has_target else source,
            slots=self._array("steps.slot"),
            firsts=firsts,
            ahead=self._array("steps.ahead"),
            filled=self._array("steps.filled") if has_filled else None,
            levels=self._levels(),
            static=self._static(),
        )

    def _static(self) -> NDArray[np.float64]:
        static = list_matrix(self.table["static"])
        if self.table_of_model is None or not self.described.get("numbered"):
            return static
        known = numbers_by_ids(self.table_of_model)
        ids = [self.table[f"id.{i}"].to_pylist() for i in range(len(self.described["ids"]))]
        static[:, -1] = [known.get(one, 0) for one in zip(*ids, strict=True)]
        return static

    def _levels(self) -> tuple[Levels, Levels] | None:
        if self.plan.scale != "series":
            return None
        source, target = (
            Levels(list_matrix(self.table[f"{side}_mean"]), list_matrix(self.table[f"{side}_scale"]))
            for side in ("source", "target")
        )
        return source, target

    def lasts(self, split: str) -> Rows:
        """The windows of a split; none where it has no file."""
        path = self.folder / f"windows.{split}.npy"
        return self._array(f"windows.{split}") if path.exists() else np.zeros(0, np.int64)

    @property
    def block_size(self) -> int:
        """How many windows are cut at once at most."""
        return max(1, BLOCK_STEPS // (self.plan.history + self.plan.horizon))

    def hashes(self) -> NDArray[np.uint64]:
        """A hash of the source of each test window."""
        return self._array("windows.hash")

    def origins_of(self, split: str, backtest: Backtest) -> Origins:
        """The windows of a split that forecasts are proven on."""
        return backtest.choose(self.steps, np.asarray(self.lasts(split)), self.plan)

    def blocks(self, split: str, rng: np.random.Generator | None = None) -> Iterator[Rows]:
        """The windows of a split, a bounded number at a time, in order or shuffled by the generator."""
        lasts, size = self.lasts(split), self.block_size
        if rng is None:
            for first in range(0, len(lasts), size):
                yield np.asarray(lasts[first : first + size])
            return
        group = min(SIDE_BY_SIDE, size)
        firsts = rng.permutation(np.arange(0, len(lasts), group))
        for some in range(0, len(firsts), max(1, size // group)):
            chosen = firsts[some : some + max(1, size // group)]
            yield np.concatenate([lasts[first : first + group] for first in chosen])

    def cut(self, lasts: Rows) -> Windows:
        """Some windows."""
        return cut_windows(self.steps, lasts, self.plan)

    def origins(self, lasts: Rows) -> dict[str, pa.Array]:
        """Where windows are from: of the last step of each history its file, row and stamp, and the series' ids."""
        files, rows = (np.asarray(self._array(f"steps.{name}")[lasts]) for name in ("file", "row"))
        names = pa.array(self.described["files"])
        series = pa.array(self.steps.series_of(lasts))
        ids = {_free(name): self.table[f"id.{i}"].combine_chunks() for i, name in enumerate(self.described["ids"])}
        time = self.described.get("time")
        stamps = {} if time is None else {"origin_time": to_stamps(self.stamps(lasts), TimeFacts.model_validate(time))}
        return {
            "file": names.take(pa.array(files)),
            "row": pa.array(rows),
            **{name: column.take(series) for name, column in ids.items()},
            **stamps,
        }

    def stamps(self, lasts: Rows, ahead: int | Rows = 0) -> Stamps:
        """The stamps of the last steps of histories, or of steps so many ahead, on the axis of the step, `(n,)`."""
        time = self.described["time"]
        series = self.steps.series_of(lasts)
        base, phases = (self.table[name].to_numpy()[series] for name in ("first_index", "phase"))
        slots = self.steps.slots[lasts] - self.table["first_slot"].to_numpy()[series] + ahead
        return (Step.parse(time["step"]) if time else Step(1, "number")).stamps(slots + base, phases)

    def _array(self, name: str) -> NDArray[Any]:
        path = self.folder / f"{name}.npy"
        try:
            return _mapped(path)
        except (OSError, ValueError) as error:
            raise ArtifactError(f"{path} cannot be read: {error}; make the dataset again") from error


def _mapped(path: Path) -> NDArray[Any]:
    array: NDArray[Any]
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except ValueError:  # a file without a number cannot be mapped
        array = np.load(path, allow_pickle=False)
    return array


_TAKEN = ("file", "row", "origin_time", "source", "target", "prediction", "source_hash", "recent", "centre", "scale")


def _free(name: str) -> str:
    """The name of a column of ids, which one of ours may have."""
    return f"series_{name}" if name in _TAKEN or name.startswith(PREFIX) else name


def read_windows(folder: Path, split: str, rng: np.random.Generator | None = None) -> Iterator[Pairs]:
    """Blocks of the windows of a split, cut as they are asked for.

    Args:
        folder: of the dataset.
        split: of `SPLITS`.
        rng: shuffles the windows; None keeps order.
    """
    stored = StoredSeries(folder)
    for lasts in stored.blocks(split, rng):
        yield stored.cut(lasts).pairs


def list_matrix(column: pa.ChunkedArray) -> NDArray[np.float64]:
    """Lists of one length as an array `(rows, length)`."""
    rows = column.combine_chunks()
    values = rows.flatten().to_numpy(zero_copy_only=False).astype(np.float64)
    return values.reshape(len(rows), -1) if len(rows) else np.zeros((0, 0))


def series_table(columns: Mapping[str, NDArray[Any] | list[Any]]) -> pa.Table:
    """The table of series: numbers, text, and arrays `(series, features)` as lists."""
    made = {}
    for name, column in columns.items():
        if isinstance(column, np.ndarray) and column.ndim > 1:
            flat = pa.array(np.ascontiguousarray(column).reshape(-1))
            offsets = pa.array(np.arange(len(column) + 1, dtype=np.int32) * column.shape[1], pa.int32())
            made[name] = pa.ListArray.from_arrays(offsets, flat)
        else:
            made[name] = pa.array(column, pa.string() if isinstance(column, list) else None)
    return pa.table(made)
