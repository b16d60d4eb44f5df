"""All scores of a scorer, by the names of the metrics."""

from collections import namedtuple

from tasks.seq2seq.metrics.forecast_metrics import FORECAST_METRICS
from tasks.seq2seq.metrics.token_metrics import TOKEN_METRICS
from tasks.seq2seq.metrics.tokens import TokenScorer


def scores_of(scorer):
    """What an evaluation gives of these counts, as a named tuple."""
    metrics = TOKEN_METRICS if isinstance(scorer, TokenScorer) else FORECAST_METRICS
    scores = {metric.name: metric.value(scorer) for metric in metrics}
    return namedtuple("Scores", scores)(**scores)  # noqa: PYI024 - its fields are the table's
