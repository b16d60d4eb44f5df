"""Predictions on disk, in the user's own values: integers, text, lists of words, numbers in original units."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypedDict

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from tasks.seq2seq.arrays.sequences import Sequences
from tasks.seq2seq.data.codecs import Codec, Codecs
from tasks.seq2seq.data.quantiles import column_name
from tasks.seq2seq.data.vocabulary import Vocabulary
from tasks.seq2seq.errors import ArtifactError
from tasks.storage.artifacts.dataset import NOT_SHOWN, PairBlock
from tasks.storage.artifacts.lists import list_type, to_lists
from tasks.storage.artifacts.parquet_files import read_parquet

if TYPE_CHECKING:
    from tasks.seq2seq.inference.evaluation import Evaluated
    from tasks.seq2seq.inference.predictor import Alternatives, Predictions

UNKNOWN = "\N{REPLACEMENT CHARACTER}"
_TYPES = {"integers": pa.list_(pa.int64()), "words": pa.list_(pa.string()), "characters": pa.string()}


def value_type(codec: Codec) -> pa.DataType:
    """The type of a column of such values."""
    return list_type(pa.float64(), codec.features) if codec.features else _TYPES[codec.kind]


def symbol_column(codec: Codec) -> pa.Array | None:
    """The symbols of a vocabulary of integers or words, for `to_values` where it is called often."""
    if not isinstance(codec, Vocabulary) or codec.kind == "characters":
        return None
    return pa.array(codec.symbols, value_type(codec).value_type)


def to_values(sequences: Sequences, codec: Codec, symbols: pa.Array | None = None) -> pa.Array:
    """A column of sequences as the user writes them.

    An unknown symbol, or another reserved one that a model may predict, is null among integers and words,
    and the replacement character among characters. Vectors are taken as they are.

    Args:
        sequences: ids, or vectors.
        codec: what encodes them.
        symbols: the codec's `symbol_column`, if it is at hand.
    """
    if not isinstance(codec, Vocabulary):  # its symbols are what is written
        return to_lists(sequences, value_type(codec))
    if codec.kind == "characters":
        return pa.array(_texts(sequences, codec), pa.string())
    offsets = (sequences.offsets - sequences.offsets[0]).astype(np.int32)
    ids = sequences.values[sequences.offsets[0] : sequences.offsets[-1]]
    indices = pa.array(ids - codec.reserved, mask=ids < codec.reserved)
    if symbols is None:
        symbols = pa.array(codec.symbols, value_type(codec).value_type)
    return pa.ListArray.from_arrays(pa.array(offsets), symbols.take(indices), type=value_type(codec))


def _texts(sequences: Sequences, vocabulary: Vocabulary) -> list[str]:
    table = np.array([ord(UNKNOWN)] * vocabulary.reserved + [ord(str(symbol)) for symbol in vocabulary.symbols], "<u4")
    text = table[sequences.values].tobytes().decode("utf-32-le")
    bounds = sequences.offsets.tolist()
    return [text[first:last] for first, last in itertools.pairwise(bounds)]


class PredictionWriter:
    """Streams evaluated pairs into a Parquet file.

    Columns: `file` and `row` where the pairs came from, of series their ids and `origin_time`, `source`, `target` and
    `prediction` as the user writes them, and what there is of other quantiles (`quantile_0.1`), `log_probability`,
    `correct`, `n_unknown` and `outside_range`.
    """

    def __init__(self, path: Path, codecs: Codecs) -> None:
        """Takes the file and the codecs of both sides."""
        self._path, self._codecs = path, codecs
        self._writer: pq.ParquetWriter | None = None
        self.rows = 0

    def write(self, block: PairBlock, evaluated: Evaluated) -> None:
        """Adds a block."""
        columns = {name: column for name, column in block.beside.items() if name not in NOT_SHOWN}
        columns["source"] = to_values(block.pairs.source, self._codecs.source)
        columns["target"] = to_values(evaluated.reference, self._codecs.target)
        columns["prediction"] = to_values(evaluated.prediction, self._codecs.target)
        columns |= _quantiles(evaluated.quantiles, self._codecs.target)
        for name in ("log_probability", "correct", "n_unknown", "outside_range"):
            values = getattr(evaluated, name)
            if values is not None:
                columns[name] = pa.array(values)
        table = pa.table(columns)
        self._writer = self._writer or pq.ParquetWriter(self._path, table.schema)
        self._writer.write_table(table)
        self.rows += len(block.pairs)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._writer:
            self._writer.close()


ON_REQUEST = ("n_best", "token_log_probabilities", "encoder_state")


def prediction_columns(predictions: Predictions, codec: Codec, *, with_token_scores: bool) -> dict[str, pa.Array]:
    """The columns of an output that tell of predictions, in their order.

    Args:
        predictions: of a chunk, as they are to be written.
        codec: the target's.
        with_token_scores: whether the log-probability of each token is wanted.
    """
    columns = {"prediction": to_values(predictions.sequences, codec)} | _quantiles(predictions.quantiles, codec)
    if predictions.log_probability is not None:
        columns["log_probability"] = pa.array(predictions.log_probability)
    if predictions.alternatives is not None:
        columns["n_best"] = _alternatives(predictions.alternatives, codec)
    if with_token_scores and predictions.token_log_probability is not None:
        scores = predictions.token_log_probability
        columns["token_log_probabilities"] = to_lists(scores, list_type(pa.float32()))
    if predictions.states is not None:
        states = np.ascontiguousarray(predictions.states)
        columns["encoder_state"] = pa.FixedSizeListArray.from_arrays(pa.array(states.reshape(-1)), states.shape[1])
    return columns


def _quantiles(quantiles: Mapping[float, Sequences], codec: Codec) -> dict[str, pa.Array]:
    return {column_name(quantile): to_values(sequences, codec) for quantile, sequences in quantiles.items()}


def _alternatives(alternatives: Alternatives, codec: Codec) -> pa.Array:
    fields = {
        "prediction": to_values(alternatives.sequences, codec),
        "log_probability": pa.array(alternatives.log_probability),
        "score": pa.array(alternatives.score),
    }
    offsets = np.concatenate([[0], np.cumsum(alternatives.counts)]).astype(np.int32)
    return pa.ListArray.from_arrays(
        pa.array(offsets), pa.StructArray.from_arrays(list(fields.values()), names=list(fields))
    )


class HeldOut(TypedDict):
    """Of an evaluation's predictions, `(n,)` each; None where there is none."""

    lengths: NDArray[np.int64]
    n_unknown: NDArray[np.int64] | None
    outside: NDArray[np.bool_] | None
    log_probability: NDArray[np.float32] | None
    n_tokens: NDArray[np.int64] | None


def read_held_out(folder: Path, codecs: Codecs) -> HeldOut:
    """What a day's profile counts, of the predictions that an evaluation holds.

    Raises:
        ArtifactError: the file is not as this project writes it.
    """
    table = read_parquet(folder / "predictions.parquet")
    if missing := {"source", "prediction"} - {*table.column_names}:
        raise ArtifactError(
            f"{folder / 'predictions.parquet'} has no column {min(missing)!r}; make it again, or bring it back"
        )
    n_unknown, outside, log_probability = (
        table[name].to_numpy() if name in table.column_names else None
        for name in ("n_unknown", "outside_range", "log_probability")
    )
    n_tokens = None
    if codecs.target.is_tokens:
        n_tokens = _lengths(table["prediction"], codecs.target) + codecs.target.has_end
    return HeldOut(
        lengths=_lengths(table["source"], codecs.source),
        n_unknown=n_unknown,
        outside=outside,
        log_probability=log_probability,
        n_tokens=n_tokens,
    )


def _lengths(column: pa.ChunkedArray, codec: Codec) -> NDArray[np.int64]:
    is_text = codec.kind == "characters"
    lengths: NDArray[np.int64] = (
        (pc.utf8_length if is_text else pc.list_value_length)(column).to_numpy().astype(np.int64)
    )
    return lengths
