"""A model held against pairs that it has not seen: predicted free-running, scored, and what it got wrong."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.seq2seq.arrays.aliases import Floats
from tasks.seq2seq.arrays.sequences import Pairs, Sequences
from tasks.seq2seq.data.codecs import Codecs
from tasks.seq2seq.data.scaling import Scaling
from tasks.seq2seq.data.vocabulary import Vocabulary
from tasks.seq2seq.data.window_frames import Frame
from tasks.seq2seq.inference.engine import Engine
from tasks.seq2seq.inference.predictor import Predictor
from tasks.seq2seq.inference.teacher_forcing import TeacherForced
from tasks.seq2seq.metrics.accumulators import count_tokens
from tasks.seq2seq.metrics.baselines import simple_forecasts
from tasks.seq2seq.metrics.embeddings import cosine_similarities
from tasks.seq2seq.metrics.metric import Counters, TokenTarget, VectorTarget
from tasks.seq2seq.metrics.table import metrics_of
from tasks.seq2seq.metrics.tokens import TokenScorer
from tasks.seq2seq.settings.decoding import DecodingSettings
from tasks.seq2seq.settings.evaluation import EvaluationSettings

MATRIX_TOKENS = 60


class Evaluated(NamedTuple):
    """A block of pairs and what the model made of it.

    reference, prediction: tokens, or vectors in original units, those of a relative series too.
    correct: whether each sequence is right as a whole, `(n,) bool`; None for vectors.
    n_unknown: source symbols that training has not seen, `(n,) int64`; None where there can be none.
    outside_range: whether source values lie far outside the training range, `(n,) bool`; None for tokens.
    ended: whether a prediction ended by itself and was not cut, `(n,) bool`; None where there are no ends.
    quantiles: vectors likewise by quantile, ascending, without the median, which is `prediction`.
    baselines: what each simple forecast errs, in the mean over a pair's time steps and features, `(n,)`, by its name.
    """

    reference: Sequences
    prediction: Sequences
    log_probability: NDArray[np.float32] | None
    correct: NDArray[np.bool_] | None
    n_unknown: NDArray[np.int64] | None
    outside_range: NDArray[np.bool_] | None
    ended: NDArray[np.bool_] | None = None
    quantiles: Mapping[float, Sequences] = MappingProxyType({})
    baselines: Mapping[str, Floats] = MappingProxyType({})


class Inference(NamedTuple):
    """A model, what it needs around it, and how it is decoded."""

    engine: Engine
    codecs: Codecs
    n_steps: int
    decoding: DecodingSettings = DecodingSettings()

    def predictor(self) -> Predictor:
        """Decodes sources."""
        return Predictor(self.engine, self.codecs, self.n_steps, self.decoding)


class TokenEvaluation:
    """Of models whose target is tokens."""

    def __init__(
        self,
        model: Inference,
        vocabulary: Vocabulary,
        settings: EvaluationSettings = EvaluationSettings(),  # noqa: B008 - it never changes
    ) -> None:
        """Takes the models, the target's vocabulary, and the settings, which say what scores are wanted."""
        self._codecs, self._vocabulary = model.codecs, vocabulary
        self._predictor = model.predictor()
        self._forced = TeacherForced(model.engine, model.codecs)
        self._counters = Counters(metrics_of("tokens"), TokenTarget(vocabulary, settings))

    def add(self, pairs: Pairs, _past: Floats | None = None, _frame: Frame | None = None) -> Evaluated:
        """Predicts and scores a block."""
        predictions, flags = self._predictor.predict(pairs.source), self._codecs.source.flags(pairs.source)
        self._counters.add(pairs.target, predictions.sequences, teacher_forced=self._forced.count(pairs))
        return Evaluated(
            pairs.target,
            predictions.sequences,
            predictions.log_probability,
            count_tokens(pairs.target, predictions.sequences, self._vocabulary.unknown)[1],
            flags.get("n_unknown"),
            flags.get("outside_range"),
            None if predictions.at_limit is None else ~predictions.at_limit,
        )

    def scores(self) -> dict[str, Any]:
        """What was scored so far, as JSON takes it."""
        return self._counters.scores()

    def values(self, evaluated: Evaluated) -> tuple[str, NDArray[np.float64]]:
        """The metric that models are compared by, and what it is of each pair, `(n,)`: 1 where right, else 0."""
        assert evaluated.correct is not None
        return "sequence_accuracy", evaluated.correct.astype(np.float64)

    def mistakes(self) -> dict[str, Any]:
        """The commonest wrong predictions and confusions, written out, and the matrix of the commonest tokens."""
        labels, write = self._vocabulary.labels(), self._vocabulary.write
        scorer: TokenScorer = self._counters[TokenScorer.of]
        ids = scorer.commonest_references(MATRIX_TOKENS)
        return {
            "wrong_predictions": [
                {"expected": write(np.array(asked, np.int32)), "predicted": write(np.array(got, np.int32)), "count": n}
                for asked, got, n in scorer.wrong_predictions()
            ],
            "confusions": [
                {
                    "expected": None if asked is None else labels[asked],
                    "predicted": None if got is None else labels[got],
                    "count": n,
                }
                for asked, got, n in scorer.confusions()
            ],
            "matrix": {
                "labels": [labels[i] for i in ids],
                "counts": scorer.confusion_matrix(ids).tolist(),
                "n_tokens": scorer.n_reference_ids,
            },
        }


class VectorEvaluation:
    """Of models whose target is real vectors."""

    def __init__(self, model: Inference, scaling: Scaling, scale: Floats | None, season: int, *, cosine: bool) -> None:
        """Takes the models, the target's scaling, the naive error in training for MASE, and the season.

        `cosine`: targets are embeddings, whose nearest neighbours are compared; they are kept in memory.
        """
        self._codecs, self._scaling, self._season = model.codecs, scaling, season
        self._cosine = cosine
        self._predictor = model.predictor()
        target = VectorTarget(scale, cosine, model.engine.architecture.quantiles)
        self._counters = Counters(metrics_of("vectors"), target)

    def add(self, pairs: Pairs, past: Floats | None = None, frame: Frame | None = None) -> Evaluated:
        """Predicts and scores a block.

        Args:
            pairs: the block.
            past: of series, target values before each target, `(n, time, features)`, those of the history and of a
                season; NaN where a step is not there. Simple forecasts are made of them.
            frame: what the targets were taken from and divided by; None where they are as they were read.
        """
        predicted = self._predictor.predict(pairs.source, ahead=pairs.ahead)
        reference, prediction = pairs.target.padded(), predicted.sequences.padded()
        quantiles = {quantile: sequences.padded() for quantile, sequences in predicted.quantiles.items()}
        if frame is not None:
            reference, prediction = frame.restore(reference), frame.restore(prediction)
            quantiles = {quantile: frame.restore(values) for quantile, values in quantiles.items()}
        baselines = {} if self._cosine else self._baselines(pairs, past)
        self._counters.add(reference, prediction, baselines=baselines, quantiles=quantiles)
        flags = self._codecs.source.flags(pairs.source)
        return Evaluated(
            Sequences.of_rows(reference),
            Sequences.of_rows(prediction),
            None,
            None,
            flags.get("n_unknown"),
            flags.get("outside_range"),
            quantiles={quantile: Sequences.of_rows(values) for quantile, values in quantiles.items()},
            baselines={name: np.abs(reference - values).mean(axis=(1, 2)) for name, values in baselines.items()},
        )

    def _baselines(self, pairs: Pairs, past: Floats | None) -> dict[str, Floats]:
        """Simple forecasts: of a series by its past, of other pairs by their source and the mean in training."""
        shape = pairs.target.padded().shape
        source = self._codecs.source
        if past is not None:
            return simple_forecasts(past, int(pairs.source.lengths.max(initial=1)), shape[1], self._season)
        found = {"training_mean": np.broadcast_to(np.array(self._scaling.mean), shape)}
        # Where both sides are of the same features, the target may go on with the source.
        if source.features == self._scaling.features:
            last = pairs.source.values[pairs.source.offsets[1:] - 1]
            found["last_value"] = np.repeat(last[:, None], shape[1], axis=1)
        return found

    def scores(self) -> dict[str, Any]:
        """What was scored so far, as JSON takes it."""
        return self._counters.scores()

    def values(self, evaluated: Evaluated) -> tuple[str, NDArray[np.float64]]:
        """The metric that models are compared by, and what it is of each pair, `(n,)`.

        The mean absolute error over a pair's time steps and features, in the target's units; of embeddings the cosine
        similarity.
        """
        reference, prediction = evaluated.reference.padded(), evaluated.prediction.padded()
        if self._cosine:
            rows = len(reference)
            return "cosine_similarity", cosine_similarities(reference.reshape(rows, -1), prediction.reshape(rows, -1))
        return "mae", np.abs(reference - prediction).mean(axis=(1, 2))

    def mistakes(self) -> dict[str, Any]:
        """Nothing: a vector is not right or wrong."""
        return {}
