"""A model that is ready to predict: loaded once a process, and the columns that it gives for a chunk of rows."""

from __future__ import annotations

import threading
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from tasks.runtime.log import logger
from tasks.seq2seq.arrays.sequences import Sequences
from tasks.seq2seq.data.codecs import Codec, Codecs
from tasks.seq2seq.inference.predictor import Predictions, Predictor
from tasks.seq2seq.metrics.accumulators import VectorCounts, count_tokens
from tasks.seq2seq.monitoring.drift import DayProfile
from tasks.seq2seq.monitoring.tally import Scored, Tally
from tasks.seq2seq.settings.decoding import DecodingSettings
from tasks.seq2seq.settings.where import Where
from tasks.storage.artifacts.bundle import Bundle, load_bundle
from tasks.storage.artifacts.lists import from_lists
from tasks.storage.outputs.chunks import (
    AHEAD,
    HAS_TARGET,
    MARK,
    ORIGIN,
    ORIGIN_ROW,
    SCALE,
    SOURCE,
    TARGET,
    TIMES,
    take_columns,
    with_tally,
)
from tasks.storage.outputs.predictions import ON_REQUEST, prediction_columns
from tasks.storage.store.artifact_store import Store
from tasks.storage.store.manifest import Handle, short


class Serving(BaseModel):
    """What a process needs to load a model, and what it is asked to give."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    store: Where
    bundle: Handle
    decoding: DecodingSettings
    token_log_probabilities: bool = False
    encoder_states: bool = False
    threads: int | None = 1


class Chunk(NamedTuple):
    """Encoded rows, and what stands beside them where it does; see `tasks.storage.outputs.chunks`."""

    source: Sequences
    target: Sequences | None = None
    has_target: np.ndarray[Any, np.dtype[np.bool_]] | None = None
    origin: Sequences | None = None
    scale: Sequences | None = None
    ahead: Sequences | None = None


class ServingModel:
    """A loaded model; `predict` may be called from several threads at once."""

    def __init__(self, serving: Serving) -> None:
        """Loads the bundle.

        Raises:
            ArtifactError: it is missing, altered, or of a newer format.
        """
        self.serving = serving
        self.bundle: Bundle = load_bundle(serving.bundle, Store(serving.store))
        logger().debug("Model %s runs on %s", short(serving.bundle.digest), self.bundle.engine.provider)
        self._predictor = Predictor(
            self.bundle.engine, self.bundle.codecs, self.bundle.n_steps, serving.decoding, threads=serving.threads
        )

    @property
    def codecs(self) -> Codecs:
        """Those of both sides."""
        return self.bundle.codecs

    def predict(self, source: Sequences, ahead: Sequences | None = None) -> Predictions:
        """Predictions of encoded sources, in their order; `ahead` is what is known of target steps beforehand."""
        known = None if ahead is None else ahead.padded()
        return self._predictor.predict(source, ahead=known, with_states=self.serving.encoder_states)

    def predict_chunk(self, table: pa.Table) -> pa.Table:
        """A chunk with its predictions, and what was counted of them."""
        kept, ours = take_columns(table)
        chunk = _chunk(ours)
        predictions = self.predict(chunk.source, chunk.ahead)
        columns, tally = self.describe(chunk, predictions)
        columns = {**{name[len(MARK) :]: ours[name] for name in (ORIGIN_ROW, TIMES) if name in ours}, **columns}
        for name, column in columns.items():
            kept = kept.append_column(name, column)
        return with_tally(kept, tally)

    def in_original_units(self, chunk: Chunk, predictions: Predictions) -> Predictions:
        """What was predicted; of windows that were scaled, multiplied and added to what they were taken from."""
        if chunk.origin is None:
            return predictions
        scale = np.ones_like(chunk.origin.values) if chunk.scale is None else chunk.scale.values
        lengths = predictions.sequences.lengths
        origins, scales = (np.repeat(values, lengths, axis=0) for values in (chunk.origin.values, scale))

        def restored(sequences: Sequences) -> Sequences:
            return Sequences(sequences.values * scales + origins, sequences.offsets)

        return predictions._replace(
            sequences=restored(predictions.sequences),
            quantiles={quantile: restored(sequences) for quantile, sequences in predictions.quantiles.items()},
        )

    def describe(self, chunk: Chunk, predictions: Predictions) -> tuple[dict[str, pa.Array], Tally]:
        """The columns that tell of predictions, and what there is to count."""
        predictions = self.in_original_units(chunk, predictions)
        columns = prediction_columns(
            predictions, self.codecs.target, with_token_scores=self.serving.token_log_probabilities
        )
        on_request = {name: columns.pop(name) for name in ON_REQUEST if name in columns}
        flags = _flags(chunk.source, self.codecs.source)
        columns |= {name: pa.array(values) for name, values in flags.items()}
        right, scored = self._score(chunk, predictions.sequences)
        if right is not None:
            columns["correct"] = right
        tokens = predictions.token_log_probability
        tally = Tally(
            rows=len(chunk.source),
            scored=scored,
            reached_limit=_count(predictions.at_limit),
            rows_with_unknown=_count(flags.get("n_unknown")),
            rows_outside_range=_count(flags.get("outside_range")),
            day=DayProfile.of(
                chunk.source.lengths,
                n_unknown=flags.get("n_unknown"),
                outside=flags.get("outside_range"),
                log_probability=predictions.log_probability,
                n_tokens=None if tokens is None else tokens.lengths,
            ),
        )
        return {**columns, **on_request}, tally

    def _score(self, chunk: Chunk, sequences: Sequences) -> tuple[pa.Array | None, Scored]:
        """Whether each row is right (null where it cannot be said), and the counts of the scores."""
        if chunk.target is None or chunk.has_target is None:
            return None, None
        rows = np.flatnonzero(chunk.has_target)
        reference, prediction = chunk.target.take(rows), sequences.take(rows)
        target = self.codecs.target
        if not target.is_tokens:
            return None, VectorCounts.of(reference.padded(), prediction.padded())
        counts, right = count_tokens(reference, prediction, target.unknown)
        answers = np.zeros(len(sequences), np.bool_)
        answers[rows] = right
        return pa.array(answers, mask=~chunk.has_target), counts


def _chunk(ours: dict[str, pa.ChunkedArray]) -> Chunk:
    names = (SOURCE, TARGET, ORIGIN, SCALE, AHEAD)
    lists = {name: from_lists(ours[name]) for name in names if name in ours}
    has_target = ours[HAS_TARGET].to_numpy() if HAS_TARGET in ours else None
    beside = (lists.get(name) for name in (ORIGIN, SCALE, AHEAD))
    return Chunk(lists[SOURCE], lists.get(TARGET), has_target, *beside)


def _flags(source: Sequences, codec: Codec) -> dict[str, NDArray[Any]]:
    """What tells that sources are unlike those of training; of a closed vocabulary, that none is."""
    return codec.flags(source) or {codec.flag: np.zeros(len(source), np.int64)}


def _count(flags: NDArray[Any] | None) -> int | None:
    return None if flags is None else int((flags > 0).sum())


_LOADED: dict[str, ServingModel] = {}
_LOADING = threading.Lock()


def load_serving(serving: Serving) -> ServingModel:
    """The loaded model, kept for the next chunk; a process holds the last one."""
    key = serving.model_dump_json(exclude={"bundle": {"cached", "seconds"}})
    with _LOADING:
        if key not in _LOADED:
            _LOADED.clear()
            _LOADED[key] = ServingModel(serving)
        return _LOADED[key]
