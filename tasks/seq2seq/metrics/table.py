"""The table of metrics; its order is that of summaries, of the terminal and of reports.

docs/adding.md shows how a metric is added: a module of its own, and its row here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tasks.seq2seq.metrics.accumulators import TokenCounts, VectorCounts
from tasks.seq2seq.metrics.embeddings import COSINE_SIMILARITY, NEAREST_NEIGHBOUR
from tasks.seq2seq.metrics.forecast_metrics import FORECAST_METRICS
from tasks.seq2seq.metrics.metric import Headline, Kind, Metric, Scores
from tasks.seq2seq.metrics.quantiles import QUANTILE_METRICS
from tasks.seq2seq.metrics.text import BLEU, CHRF
from tasks.seq2seq.metrics.token_metrics import TOKEN_METRICS

NOTHING_TO_SCORE = "nothing to score"

METRICS: tuple[Metric, ...] = (
    *TOKEN_METRICS,
    BLEU,
    CHRF,
    *FORECAST_METRICS,
    *QUANTILE_METRICS,
    COSINE_SIMILARITY,
    NEAREST_NEIGHBOUR,
)


def metrics_of(kind: Kind) -> list[Metric]:
    """The metrics of targets of a kind."""
    return [metric for metric in METRICS if metric.kind == kind]


def rates(counts: TokenCounts | VectorCounts) -> dict[str, Any]:
    """The metrics that follow from the counts of batch predictions, by name; of no row, all but numbers are None."""
    kind: Kind = "tokens" if isinstance(counts, TokenCounts) else "vectors"
    return {metric.name: metric.rate(counts) for metric in metrics_of(kind) if metric.rate is not None}


def score_lines(scores: Scores) -> Iterator[str]:
    """An evaluation in lines for the terminal."""
    if not scores["n_evaluated"]:
        yield NOTHING_TO_SCORE
        return
    yield from (metric.line(scores) for metric in METRICS if metric.line is not None and metric.name in scores)


def headline(scores: Scores) -> Headline:
    """The number that matters most, and what it is."""
    if not scores["n_evaluated"]:
        return Headline("none", NOTHING_TO_SCORE)
    write = leading_metric(scores).headline
    assert write is not None
    return write(scores)


def leading_metric(scores: Scores) -> Metric:
    """The metric that stands for an evaluation: of those that can, the last in the table, which is the most special."""
    return [metric for metric in METRICS if metric.headline is not None and metric.name in scores][-1]
