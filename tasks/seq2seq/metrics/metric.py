"""What a metric is: one figure of an evaluation, with its name, its rule and its words.

A metric is computed from a counter, which is given one batch after another and never keeps more than it needs. Metrics
that share a counter share what it counted. `tasks.seq2seq.metrics.table` lists all metrics.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol

from tasks.seq2seq.arrays.aliases import Floats
from tasks.seq2seq.data.quantiles import Quantiles
from tasks.seq2seq.data.vocabulary import Vocabulary
from tasks.seq2seq.settings.evaluation import EvaluationSettings

Kind = Literal["tokens", "vectors"]
Direction = Literal["maximize", "minimize"]
Scores = Mapping[str, Any]  # of one evaluation, by the names of the metrics


class TokenTarget(NamedTuple):
    """What is known of a target of tokens before the first batch: its vocabulary, and which scores are wanted."""

    vocabulary: Vocabulary
    settings: EvaluationSettings = EvaluationSettings()


class VectorTarget(NamedTuple):
    """What is known of a target of vectors before the first batch.

    scale: the naive error in training, `(features,)`, for MASE; None without one.
    embeddings: whether the vectors are embeddings, which are compared by their directions.
    quantiles: those that are forecast, ascending, the prediction, which is the median, among them; none without.
    """

    scale: Floats | None = None
    embeddings: bool = False
    quantiles: Quantiles = ()


class Counter(Protocol):
    """Counts batches, in any order; made of a `TokenTarget` or a `VectorTarget` by its metric's `counter`."""

    @property
    def add(self) -> Callable[..., None]:
        """Counts a batch: `add(references, predictions, **beside)`.

        Tokens come as `Sequences` of ids, beside them `teacher_forced`. Vectors come as `(n, horizon, features)` in
        original units, beside them `baselines`, the simple forecasts that there are, by name, and `quantiles`, the
        other quantiles that are forecast, by quantile.
        """


class Headline(NamedTuple):
    """The number that a report begins with, and what it is."""

    number: str
    what: str


@dataclass(frozen=True)
class Metric:
    """One figure of an evaluation.

    Attributes:
        name: its key in summaries, facts and JSON files; a report writes it with spaces.
        kind: which targets it is for.
        counter: makes what it is computed from, of a `TokenTarget` or a `VectorTarget`.
        value: what follows from the counter, as JSON takes it; None where it is not defined, as of nothing, where only
            numbers of rows are 0.
        meaning: what it says, as docs/fields.md has it.
        is_wanted: whether it is reported of a target; without it, always.
        rate: the same value from the counts that every batch prediction keeps, which therefore reports it too; None if
            these counts do not suffice.
        line: its line on the terminal; None if it has none of its own.
        headline: what a report begins with; only of a metric that can stand for the whole evaluation.
        better: which way it should go; None of what does not say how good a model is. A sweep can choose by the others.
    """

    name: str
    kind: Kind
    counter: Callable[[Any], Counter]
    value: Callable[[Any], Any]
    meaning: str
    is_wanted: Callable[[Any], bool] = lambda _target: True
    rate: Callable[[Any], Any] | None = None
    line: Callable[[Scores], str] | None = None
    headline: Callable[[Scores], Headline] | None = None
    better: Direction | None = None


class Counters:
    """The counters of some metrics, each kind of them once."""

    def __init__(self, metrics: Iterable[Metric], target: TokenTarget | VectorTarget) -> None:
        """Takes the metrics, of which those are counted that are wanted of the target."""
        self._metrics = [metric for metric in metrics if metric.is_wanted(target)]
        makers = dict.fromkeys(metric.counter for metric in self._metrics)
        self._counters = {make: make(target) for make in makers}

    def add(self, references: Any, predictions: Any, **beside: Any) -> None:  # noqa: ANN401 - see `Counter`
        """Counts a batch."""
        for counter in self._counters.values():
            counter.add(references, predictions, **beside)

    def scores(self) -> dict[str, Any]:
        """The value of each metric, by its name, of all that was added."""
        return {metric.name: metric.value(self._counters[metric.counter]) for metric in self._metrics}

    def __getitem__(self, make: Callable[[Any], Counter]) -> Any:  # noqa: ANN401 - as its kind
        """The counter that this made."""
        return self._counters[make]


def write_number(value: float | None) -> str:
    """A number in a sentence, to 4 significant digits."""
    return "none" if value is None else f"{value:.4g}"
