"""How rows of files to predict are read for a model: as its training data was, unless the user says otherwise."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tasks.seq2seq.arrays.sequences import Sequences
from tasks.seq2seq.data.codecs import Codec, Codecs
from tasks.seq2seq.data.scaling import Scaling
from tasks.seq2seq.data.vocabulary import Vocabulary
from tasks.seq2seq.errors import DataError, SettingsError
from tasks.seq2seq.settings.batch import BatchSettings
from tasks.seq2seq.settings.data import FilesData, SyntheticData
from tasks.seq2seq.settings.data_rules import columns_fit, dialect_fits
from tasks.seq2seq.settings.dialect import PLAIN, Dialect
from tasks.seq2seq.settings.experiment import Experiment
from tasks.storage.artifacts.stamps import TimeFacts
from tasks.storage.files.inputs import InputFile
from tasks.storage.ingest.known_series import KnownSeries
from tasks.storage.ingest.reasons import FINE, UNKNOWN, Reasons
from tasks.storage.ingest.row_rules import RowRules
from tasks.storage.ingest.series_reading import with_beside
from tasks.storage.readers.blocks import Layout
from tasks.storage.readers.user_files import has_column

DIALECT = tuple(field.name for field in fields(Dialect))


@dataclass(frozen=True)
class SideEncoder:
    """One side of a model as columns are read for it: the rules for its rows, and what was learned in training."""

    rules: RowRules
    codec: Codec

    @classmethod
    def of(cls, data: FilesData, side: str, codec: Codec, length: int | None) -> SideEncoder:
        """The source or the target; `length` is the one that sequences must have, if any."""
        return cls(RowRules.of(data, side, features=codec.features or None, length=length), codec)

    def encode(self, array: pa.ChunkedArray | pa.Array, dialect: Dialect = PLAIN) -> tuple[Sequences, Reasons]:
        """A column's sequences as the model takes them, and why some rows cannot be used, `(n,) int8`.

        Those rows hold something that the model takes, too.

        Raises:
            DataError: the column's type has no such encoding.
        """
        steps, reasons, words = self.rules.apply(array, dialect)
        return Sequences(self._codes(steps, reasons, words), steps.offsets), reasons

    def _codes(self, steps: Sequences, reasons: Reasons, words: list[str] | None) -> NDArray[Any]:
        codec, values = self.codec, steps.values
        if not isinstance(codec, Vocabulary):  # only symbols can be words, or foreign to a synthetic problem
            return codec.encode(values)
        if words is not None:
            ids: NDArray[np.int32] = codec.encode_words(words)[values] if words else values.astype(np.int32)
            return ids
        if codec.unknown is None:
            known = codec.knows(values)
            if not known.all():
                rows = np.repeat(np.arange(len(steps)), steps.lengths)[~known]
                reasons[rows[reasons[rows] == FINE]] = UNKNOWN
                values = np.where(known, values, codec.symbols[0])
        return codec.encode(values)


@dataclass(frozen=True)
class Reading:
    """How files are read for one model.

    Args:
        data: the settings of reading; a synthetic problem's rows are read as files of integers.
        source, target: the sides.
        reject_unknown: whether rows with source symbols that training has not seen are rejected.
        all_origins: of a series, whether to forecast from each origin and not from the last alone.
        ahead: the scaling of what is known of target steps beforehand, where the model is given it.
        series: of series, what training found.
        numbered: whether sources say which series they are of.
    """

    data: FilesData
    source: SideEncoder
    target: SideEncoder
    reject_unknown: bool
    all_origins: bool
    ahead: Scaling | None = None
    series: KnownSeries | None = None
    numbered: bool = False

    @classmethod
    def of(
        cls,
        experiment: Experiment,
        codecs: Codecs,
        lengths: tuple[int, int],
        settings: BatchSettings,
        series: KnownSeries | None = None,
    ) -> Reading:
        """As the experiment's data was read, with what `settings` say; `lengths` are the longest of training.

        Raises:
            SettingsError: the columns do not fit one another.
        """
        own = experiment.data
        is_synthetic = isinstance(own, SyntheticData)
        data = FilesData(train=Path("synthetic")) if isinstance(own, SyntheticData) else own
        names = ("source", "target", *DIALECT)
        given = {name: value for name in names if (value := getattr(settings, name)) is not None}
        # Weights are of training alone: the column need not be there.
        data = FilesData.model_validate({**data.model_dump(exclude={"weight"}), **given})
        if faults := [*columns_fit({"data": data}), *dialect_fits({"data": data})]:
            raise SettingsError("\n".join(faults).replace("data.", "--"))
        has_horizon = data.target_encoding == "vectors"
        length = lengths[0] if is_synthetic else data.history
        return cls(
            data=data,
            source=SideEncoder.of(data, "source", codecs.source, length),
            target=SideEncoder.of(data, "target", codecs.target, lengths[1] if is_synthetic or has_horizon else None),
            reject_unknown=data.unknown == "reject",
            all_origins=settings.origins == "all",
            ahead=codecs.ahead,
            series=series,
            numbered=bool(experiment.model.series_embedding),
        )

    @property
    def time(self) -> TimeFacts | None:
        """What the stamps of training were; None where none were read."""
        return self.series.time if self.series else None

    def describe(self) -> dict[str, Any]:
        """What an output depends on, as JSON takes it."""
        names = ("header", "delimiter", "quote", "unknown", "source_encoding", "target_encoding")
        dialect = self.data.dialect.changes()
        return {
            **{name: getattr(self.data, name) for name in names},
            **({"dialect": dialect} if dialect else {}),  # so that outputs of the plain one stay what they were
            "source": list(self.data.source_columns),
            "target": list(self.data.target_columns),
            "all_origins": self.all_origins if self.data.is_series else None,
        }

    def check_histories(self) -> None:
        """Refuses bare histories where the model is given more.

        Raises:
            DataError: with what to do.
        """
        data = self.data
        if data.is_series and (data.scale != "global" or self.source.codec.features > len(data.source_columns)):
            raise DataError(
                "the model is given more than a history, as data.scale, data.gaps, data.known, data.calendar, "
                "data.static or model.series_embedding say: predict a table of rows with predict_table, or a file"
            )

    def from_last(self, source: Sequences) -> tuple[Sequences, Sequences | None]:
        """Sources as the model takes them, and the time steps that its forecasts are added to, if it wants that.

        Args:
            source: whole histories, in original units.

        Raises:
            DataError: the forecast is of other columns than those of the source.
        """
        data = self.data
        if not data.relative_to_last:
            return source, None
        if not set(data.target_columns) <= set(data.source_columns):
            raise DataError(
                f"the model forecasts how {data.target_columns} goes on from its last value, which is not among its "
                f"source columns {data.source_columns}; predict a file, which holds both"
            )
        last = source.values[source.offsets[1:] - 1]
        differences = Sequences(source.values - np.repeat(last, source.lengths, axis=0), source.offsets)
        columns = [data.source_columns.index(name) for name in data.target_columns]
        return differences, Sequences.of_rows(last[:, None, columns])

    def layout(self, file: InputFile) -> Layout:
        """The columns that are read of a file: the target's where they are there and of use.

        What a target holds keeps no row from being predicted, unless forecasts are added to it.
        """
        data = self.data
        sides = dict.fromkeys(data.source_columns, "source")
        only_source = self._layout(sides)
        wanted = [name for name in data.target_columns if name not in sides]
        if self._needs_target:
            sides |= dict.fromkeys(wanted, "target")  # what the forecast is added to
        elif (not data.is_series or self.all_origins) and all(has_column(file, only_source, name) for name in wanted):
            sides |= dict.fromkeys(wanted, "target")
        return self._layout(sides)

    def _layout(self, sides: dict[str | int, str]) -> Layout:
        layout = Layout(
            columns=tuple(sides),
            kinds=tuple(getattr(self.data, f"{side}_encoding") for side in sides.values()),
            dialect=self.data.dialect,
            sides=tuple(sides.values()),
            prefix="--",
            optional=() if self._needs_target else ("target",),
        )
        return with_beside(self.data, layout) if self.data.is_series else layout

    @property
    def _needs_target(self) -> bool:
        """Whether forecasts are told from the target's own past."""
        return self.data.is_series and (self.data.relative_to_last or self.data.scale != "global")
