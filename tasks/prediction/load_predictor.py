"""A model for use from Python, without a flow and without Prefect."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from tasks.prediction.batch_model import BatchModel, find_model, open_file
from tasks.prediction.loaded_model import Chunk, Serving, ServingModel
from tasks.seq2seq.arrays.sequences import Sequences
from tasks.seq2seq.errors import DataError
from tasks.seq2seq.settings.batch import BatchSettings
from tasks.seq2seq.settings.decoding import DecodingSettings
from tasks.seq2seq.settings.where import as_where
from tasks.storage.files.atomic import temporary_folder
from tasks.storage.files.inputs import LOCAL, InputFile
from tasks.storage.ingest.python_values import EXPECTED, plain_integers, to_array
from tasks.storage.ingest.reasons import FINE, REASONS, TYPE, Reasons
from tasks.storage.ingest.rejects import write_rejects
from tasks.storage.outputs.accounts import OutputPlace
from tasks.storage.outputs.predictions import symbol_column, to_values
from tasks.storage.outputs.python_values import to_python
from tasks.storage.outputs.writers import as_field
from tasks.storage.store.artifact_store import Store

MOST_NAMED = 10  # sequences in an error
CHUNK_ROWS = 65_536  # of a table, that are predicted together
STORE = Path(__file__).parent.parent.parent / "data" / "artifacts"


class PredictedLine(NamedTuple):
    """The prediction of a line of text; where there is none, the reason."""

    prediction: str | None
    reason: str | None = None


class LoadedPredictor:
    """A model in memory; the predictions are those of a batch run, and of any number of sequences at once."""

    def __init__(self, model: BatchModel, serving: Serving) -> None:
        """See `load_predictor`."""
        self._serving, self._model, self._reading = ServingModel(serving), model, model.reading
        self._symbols = symbol_column(self._serving.codecs.target)

    @property
    def digest(self) -> str:
        """The digest of the model's bundle."""
        return self._serving.serving.bundle.digest

    def predict(self, sequences: Any) -> Any:  # noqa: ANN401 - plain Python, numpy or Arrow
        """Predictions, in the order of their sources.

        Args:
            sequences: any number of sources as the model's training data had them: lists of integers, strings, lists
                of words, lists of numbers or of lists of numbers; as a list, a numpy array, or an Arrow array.

        Returns:
            As many predictions, as an Arrow array if Arrow was given, else as a list of plain values.

        Raises:
            DataError: naming the sequences that the model cannot take, and why.
        """
        chunk = self._chunk(sequences)
        predicted = self._serving.in_original_units(chunk, self._serving.predict(chunk.source)).sequences
        target = self._serving.codecs.target
        if isinstance(sequences, pa.Array | pa.ChunkedArray):
            return to_values(predicted, target, self._symbols)
        return to_python(predicted, target)

    def predict_table(self, sequences: Any) -> pa.Table:  # noqa: ANN401 - likewise
        """The same with all that a batch run writes beside it: log_probability, n_unknown, and what was asked for.

        Args:
            sequences: as of `predict`; or an Arrow table of rows as a file to predict has them, of series too, of each
                of which one forecast is made that can be.

        Returns:
            The predictions; of a table beside its own columns, as a batch run would write it.

        Raises:
            DataError: naming the sequences, or the rows, that the model cannot take, and why.
        """
        if isinstance(sequences, pa.Table):
            return self._predict_rows(sequences)
        chunk = self._chunk(sequences)
        columns, _ = self._serving.describe(chunk, self._serving.predict(chunk.source))
        return pa.table(columns)

    def _predict_rows(self, table: pa.Table) -> pa.Table:
        with temporary_folder("table") as folder:
            path = folder / "table.arrow"
            with pa.ipc.new_file(path, table.schema) as writer:
                writer.write_table(table)
            file = InputFile(str(path), LOCAL, "table", is_named=True)
            opened = open_file(OutputPlace(file, "table", folder), self._model)
            with write_rejects(folder / "rejects.parquet") as rejects:
                chunks = list(opened.chunks(CHUNK_ROWS, rejects))
            if rejects.reasons:
                raise DataError("\n".join([f"{rejects.n_of_setting} rows cannot be used", *rejects.table()]))
        predicted = [self._serving.predict_chunk(chunk) for chunk in chunks or [opened.empty()]]
        return pa.concat_tables(part.replace_schema_metadata(None) for part in predicted)

    def predict_lines(self, lines: Sequence[bytes]) -> list[PredictedLine]:
        """Predictions of lines of text, each read as the field of a CSV would be, and written as one.

        Args:
            lines: as UTF-8.
        """
        reading = self._reading
        reading.check_histories()
        text = pa.array(lines, pa.binary()).cast(pa.string(), safe=False)  # bytes that are no text get their reason
        source, reasons = reading.source.encode(text, reading.data.dialect)
        source, origin = reading.from_last(source.take(np.flatnonzero(reasons == FINE)))
        chunk = Chunk(source, origin=origin)
        predicted = self._serving.in_original_units(chunk, self._serving.predict(chunk.source))
        values = to_values(predicted.sequences, self._serving.codecs.target, self._symbols)
        texts = iter(as_field("prediction", pa.chunked_array([values])).to_pylist())
        return [PredictedLine(None, REASONS[why]) if why else PredictedLine(str(next(texts))) for why in reasons]

    def _chunk(self, sequences: Any) -> Chunk:  # noqa: ANN401 - likewise
        self._reading.check_histories()
        source = self._plain(sequences)
        source, origin = self._reading.from_last(self._checked(sequences) if source is None else source)
        return Chunk(source, origin=origin)

    def _plain(self, sequences: Any) -> Sequences | None:  # noqa: ANN401 - likewise
        """Sources that are plain integers and plainly fine, encoded; None where there is anything to say of them."""
        side = self._reading.source
        steps = plain_integers(sequences, side.rules)
        if steps is None:
            return None
        try:
            return Sequences(side.codec.encode(steps.values), steps.offsets)
        except DataError:  # a symbol that the vocabulary does not have
            return None

    def _checked(self, sequences: Any) -> Sequences:  # noqa: ANN401 - likewise
        side = self._reading.source
        array, is_other = to_array(sequences, side.rules.encoding)
        source, reasons = side.encode(array)
        reasons[is_other] = TYPE
        if reasons.any():
            raise DataError(_say_which(reasons, side.rules.encoding))
        return source


def _say_which(reasons: Reasons, encoding: str) -> str:
    rows = np.flatnonzero(reasons)
    listed = ", ".join(f"{row} ({REASONS[reasons[row]]})" for row in rows[:MOST_NAMED].tolist())
    more = f" and {len(rows) - MOST_NAMED} more" if len(rows) > MOST_NAMED else ""
    return (
        f"{len(rows)} of {len(reasons)} sequences cannot be predicted; counted from 0: {listed}{more}; expected a "
        f"list of {EXPECTED[encoding]}, as in training"
    )


def load_predictor(
    model: str | None = None, store: str | Path = STORE, decoding: DecodingSettings | None = None
) -> LoadedPredictor:
    """A model for use from Python: `load_predictor("reverse_first").predict([[3, 14, 15, 9, 2, 6]])`.

    Args:
        model: a promoted name, the first digits of a bundle's digest, or a bundle's folder in the store; None means
            the only promoted name.
        store: folder of the artifact store, or its URL in an object store, such as s3://bucket/folder.
        decoding: how sequences are chosen; what is not set is the model's own.

    Raises:
        SettingsError: there is no such model, or the decoding settings do not fit it.
        ArtifactError: it is missing, altered, or of a newer format.
    """
    settings = BatchSettings(inputs=(Path(),), output=Path(), model=model, decoding=decoding or DecodingSettings())
    where = as_where(store, "store")
    found = find_model(settings, Store(where))
    serving = Serving(store=where, bundle=found.bundle, decoding=found.decoding, threads=None)
    return LoadedPredictor(found, serving)
