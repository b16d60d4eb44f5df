"""A loaded model made ready to be held against pairs, whichever step asks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tasks.seq2seq.arrays.sequences import Pairs, Sequences
from tasks.seq2seq.data.scaling import Scaling
from tasks.seq2seq.data.vocabulary import Vocabulary
from tasks.seq2seq.data.window_frames import Frame
from tasks.seq2seq.inference.attention_maps import AttentionMap, map_attention
from tasks.seq2seq.inference.evaluation import Evaluated, Inference, TokenEvaluation, VectorEvaluation
from tasks.seq2seq.settings.experiment import Experiment
from tasks.storage.artifacts.bundle import Bundle
from tasks.storage.artifacts.dataset import PairBlock
from tasks.storage.artifacts.lists import from_lists
from tasks.storage.artifacts.shapes import SeriesFile
from tasks.storage.artifacts.stored_series import SERIES
from tasks.storage.files.json_files import read_json


class Evaluator:
    """Predicts blocks of pairs and scores them."""

    def __init__(self, experiment: Experiment, model: Bundle, pairs: Path) -> None:
        """Takes the model and how it is decoded.

        Args:
            experiment: says how to decode, and which scores are wanted.
            model: the bundle.
            pairs: the folder of the dataset or the holdout that the blocks are read from.
        """
        self._model = model
        inference = Inference(model.engine, model.codecs, model.n_steps, experiment.decoding)
        series = read_json(pairs / SERIES, SeriesFile) if (pairs / SERIES).exists() else None
        self.evaluation: TokenEvaluation | VectorEvaluation
        match model.codecs.target:
            case Vocabulary() as vocabulary:
                self.evaluation = TokenEvaluation(inference, vocabulary, experiment.evaluation)
            case Scaling() as scaling:
                self.evaluation = VectorEvaluation(
                    inference,
                    scaling,
                    np.array(series["scale"], np.float64) if series else None,
                    _season(series, experiment),
                    cosine=experiment.training.loss == "cosine_similarity",
                )

    def add(self, block: PairBlock) -> Evaluated:
        """Predicts and scores a block."""
        return self.evaluation.add(block.pairs, _past(block), self._frame(block))

    def _frame(self, block: PairBlock) -> Frame | None:
        """What the values of windows were taken from and divided by; None where they are as they were read."""
        if "centre" in block.beside:
            centre, scale = (from_lists(block.beside[name]).padded()[:, 0] for name in ("centre", "scale"))
            return Frame(centre, scale)
        past = _past(block)
        if self._model.facts.relative and past is not None:  # of a holdout of before
            return Frame(past[:, -1], np.ones_like(past[:, -1]))
        return None

    def map_attention(self, block: PairBlock, evaluated: Evaluated, n: int) -> list[AttentionMap]:
        """What the first predictions of a block attended to; none without attention."""
        prediction = evaluated.prediction.part(0, n)
        if frame := self._frame(block):  # as the model gave them
            prediction = Sequences.of_rows(frame.part(n).apply(prediction.padded()))
        ahead = block.pairs.ahead
        pairs = Pairs(block.pairs.source.part(0, n), prediction, ahead=None if ahead is None else ahead[:n])
        return map_attention(self._model.engine, self._model.codecs, pairs, evaluated.ended)


def _season(series: SeriesFile | None, experiment: Experiment) -> int:
    """Time steps of a season: as the dataset found it, or of a holdout of before as it is set."""
    found = series.get("season") if series else None
    return found or getattr(experiment.data, "season", None) or 1


def _past(block: PairBlock) -> NDArray[np.float64] | None:
    column = block.beside.get("recent")
    return None if column is None else from_lists(column).padded()
