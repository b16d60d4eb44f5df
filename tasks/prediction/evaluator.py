"""A loaded model made ready to be held against pairs, whichever step asks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tasks.seq2seq.arrays.sequences import Pairs, Sequences
from tasks.seq2seq.data.scaling import Scaling
from tasks.seq2seq.data.vocabulary import Vocabulary
from tasks.seq2seq.inference.attention_maps import AttentionMap, map_attention
from tasks.seq2seq.inference.evaluation import Evaluated, Inference, TokenEvaluation, VectorEvaluation
from tasks.seq2seq.settings.experiment import Experiment
from tasks.storage.artifacts.bundle import Bundle
from tasks.storage.artifacts.dataset import SERIES, PairBlock
from tasks.storage.artifacts.lists import from_lists
from tasks.storage.artifacts.shapes import SeriesFile
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
        facts = model.facts
        inference = Inference(model.engine, model.codecs, model.n_steps, experiment.decoding)
        series = pairs / SERIES
        self.evaluation: TokenEvaluation | VectorEvaluation
        match model.codecs.target:
            case Vocabulary() as vocabulary:
                self.evaluation = TokenEvaluation(inference, vocabulary, experiment.evaluation)
            case Scaling() as scaling:
                self.evaluation = VectorEvaluation(
                    inference,
                    scaling,
                    np.array(read_json(series, SeriesFile)["scale"], np.float64) if series.exists() else None,
                    getattr(experiment.data, "season", 1),
                    relative=facts.relative,
                    cosine=experiment.training.loss == "cosine_similarity",
                )

    def add(self, block: PairBlock) -> Evaluated:
        """Predicts and scores a block."""
        return self.evaluation.add(block.pairs, _recent(block))

    def map_attention(self, block: PairBlock, evaluated: Evaluated, n: int) -> list[AttentionMap]:
        """What the first predictions of a block attended to; none without attention."""
        prediction = evaluated.prediction.part(0, n)
        recent = _recent(block)
        if self._model.facts.relative and recent is not None:  # as the model gave them
            prediction = Sequences.of_rows(prediction.padded() - recent[:n, -1:])
        pairs = Pairs(block.pairs.source.part(0, n), prediction)
        return map_attention(self._model.engine, self._model.codecs, pairs, evaluated.ended)


def _recent(block: PairBlock) -> NDArray[np.float64] | None:
    column = block.beside.get("recent")
    return None if column is None else from_lists(column).padded()
