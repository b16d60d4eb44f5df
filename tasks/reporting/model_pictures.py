"""What the page of a model shows in pictures: learning, errors, forecasts, mistakes, attention."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from tasks.reporting.forecast_pictures import draw_forecast, error_by_series
from tasks.reporting.heat_maps import heat_map
from tasks.reporting.svg import Axes, Picture, nice_ticks
from tasks.reporting.wording import write_percent
from tasks.storage.artifacts.shapes import EvaluationFile

MAX_ATTENTION_MAPS = 4
MAX_FORECASTS = 4
MAX_POINTS = 400  # of a curve: more cannot be told apart
MAX_POSITION_LABELS = 20

LABELS = {
    "loss": "loss",
    "accuracy": "teacher-forced token accuracy",
    "mae": "mean absolute error (standard deviations)",
}

Point = dict[str, float]


def draw_pictures(evaluation: EvaluationFile, history: Mapping[str, Any], *, sampled: bool) -> Iterator[Picture]:
    """The pictures there are.

    Args:
        evaluation: what it found.
        history: of the training.
        sampled: whether some inputs in training were the model's own predictions.
    """
    note = "; in training some inputs were the model's own predictions, in validation none" if sampled else ""
    for metric in ("loss", history["metric"]):
        yield learning_curve(history["curve"], history["epochs"], metric, note)
    scores = evaluation["scores"]
    if not scores["n_evaluated"]:
        return
    if "mae" in scores:
        yield from _of_vectors(evaluation)
    else:
        yield accuracy_by_position(scores["accuracy_by_position"])
        yield confusion(**{name: evaluation["mistakes"]["matrix"][name] for name in ("counts", "labels")})
    for i, found in enumerate(evaluation["attention"][:MAX_ATTENTION_MAPS], 1):
        yield attention(i, found["source"], found["predicted"], found["weights"])


def learning_curve(curve: Sequence[Point], epochs: Sequence[Point], metric: str, note: str = "") -> Picture:
    """A metric of training over the pairs seen, and of the validation split by epoch."""
    trained = [(point["pairs"], point[metric]) for point in smooth(curve, metric)]
    validated = [(epoch["pairs"], epoch[f"val_{metric}"]) for epoch in epochs if f"val_{metric}" in epoch]
    values = [value for _, value in (*trained, *validated)]
    low, high = min(0.0, *values), max(*values, 0.0) or 1.0
    y_ticks, x_ticks = nice_ticks(low, high), nice_ticks(0, trained[-1][0], 4)
    axes = Axes((0, trained[-1][0]), (low, max(high, y_ticks[-1])), ("training pairs seen", LABELS[metric]))
    axes.add_line(trained, "training", 0)
    if validated:
        axes.add_points(validated, "validation, after each epoch", 1)
    first, last = trained[0][1], trained[-1][1]
    alt = (
        f"Line chart of the {LABELS[metric]} in training: from {first:.3g} to {last:.3g} over {trained[-1][0]:,} pairs"
    )
    alt += f"; in validation {validated[-1][1]:.3g} at the end." if validated else "."
    return axes.picture(f"Learning curve: {LABELS[metric]}{note}", alt, x_ticks, y_ticks)


def smooth(curve: Sequence[Point], metric: str) -> list[Point]:
    """The curve without steps that only come from few pairs: each point is the mean over as many pairs, or more.

    The last call of an epoch holds what is left, often a few odd batches, whose mean says little. It is taken together
    with the call before it.
    """
    sizes = np.diff([0.0, *(point["pairs"] for point in curve)])
    short, narrow = sizes.max() / 2, curve[-1]["pairs"] / MAX_POINTS
    groups: list[Point] = []
    for point, size in zip(curve, sizes, strict=True):
        before = groups[-1] if groups else None
        if before and (size < short or before["size"] < narrow):
            both = before["size"] + size
            mean = (before["size"] * before[metric] + size * point[metric]) / both if both else point[metric]
            groups[-1] = {"pairs": point["pairs"], metric: mean, "size": both}
        else:
            groups.append({"pairs": point["pairs"], metric: point[metric], "size": float(size)})
    return groups


def accuracy_by_position(shares: Sequence[float]) -> Picture:
    """The share of right tokens at each target position."""
    n = len(shares)
    axes = Axes((0.4, n + 0.6), (0, 1), ("position in the target", "token accuracy"))
    axes.add_bars(shares)
    x_ticks = range(1, n + 1) if n <= MAX_POSITION_LABELS else nice_ticks(1, n, 8)
    worst = int(np.argmin(shares)) if n else 0
    alt = "Bar chart of the share of right tokens at each position of the target"
    if n:
        alt += f": {write_percent(shares[0])} at the first, {write_percent(shares[-1])} at the last of {n}"
        alt += f", lowest at position {worst + 1} with {write_percent(shares[worst])}"
    return axes.picture("Token accuracy by position in the target", f"{alt}.", x_ticks, nice_ticks(0, 1))


def confusion(counts: Sequence[Sequence[int]], labels: Sequence[str]) -> Picture:
    """How often each expected token (row) was predicted as each token (column), as a share of its row."""
    matrix = np.array(counts, np.float64).reshape(len(labels), len(labels))
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    right = np.trace(matrix) / max(matrix.sum(), 1)
    alt = (
        f"Map of {len(labels)} expected tokens by the tokens that were predicted for them; {write_percent(right)} of "
        f"what it shows lies on the diagonal, where both are the same."
    )
    title = "Confusions of tokens: the stronger the colour, the larger the share of the expected token"
    return heat_map(title, alt, shares, labels, labels, "rows: expected, columns: predicted")


def attention(i: int, source: Sequence[str], predicted: Sequence[str], weights: Sequence[Sequence[float]]) -> Picture:
    """The weights of the source's steps (columns) at each step of a prediction (rows), which are read from the top."""
    shares = np.array(weights, np.float64).reshape(len(predicted), len(source))
    found = [
        f"{step} to {source[place]}" for step, place in zip(predicted, shares.argmax(axis=1), strict=True)
    ] if len(source) else []  # fmt: skip
    more = f" and {len(found) - 8} more" if len(found) > 8 else ""  # noqa: PLR2004 - as many as are worth reading
    alt = f"Map of attention in example {i}: most of {', '.join(found[:8])}{more}."
    title = f"What example {i} attended to: the stronger the colour, the larger the weight"
    return heat_map(title, alt, shares, predicted, source, "rows: predicted, columns: source")


def _of_vectors(evaluation: EvaluationFile) -> Iterator[Picture]:
    scores, backtest = evaluation["scores"], evaluation.get("backtest")
    n = len(scores["mae_by_step"])
    yield from map(draw_forecast, evaluation.get("forecasts", []))
    if n > 1:
        yield error_by_step(scores)
        if covered := scores.get("interval_coverage_by_step"):
            yield coverage_by_step(covered)
    if backtest is not None and len(backtest["errors"]) > 1:
        yield error_by_series(backtest["errors"], is_relative=scores["baseline"] is not None)
    if n > 1 and backtest is None:
        yield from (forecast(i, example) for i, example in enumerate(evaluation["examples"][:MAX_FORECASTS], 1))


def error_by_step(scores: Mapping[str, Any]) -> Picture:
    """Mean absolute errors at each step ahead, the model's and, where there is one, the best simple forecast's."""
    errors = {"model": list(scores["mae_by_step"])}
    if best := scores["baseline"]:
        errors[f"best simple forecast ({best.replace('_', ' ')})"] = list(scores["baseline_mae_by_step"][best])
    n, highest = len(scores["mae_by_step"]), max(max(by_step) for by_step in errors.values())
    names = ("steps ahead", "mean absolute error (in the target's unit)")
    axes = Axes((1, n), (0, highest or 1.0), names)
    for i, (name, by_step) in enumerate(errors.items()):
        axes.add_line(enumerate(by_step, 1), name, i, i, dots=True)
    said = [
        f"{name} from {by_step[0]:.3g} at the first to {by_step[-1]:.3g} at the last"
        for name, by_step in errors.items()
    ]
    alt = f"Line chart of the mean absolute error at each of {n} steps ahead: {'; '.join(said)}."
    return axes.picture("Error by step ahead", alt, _steps(n), nice_ticks(0, highest or 1.0))


def coverage_by_step(shares: Mapping[str, Sequence[float]]) -> Picture:
    """The share of values in each interval at each step ahead, beside the share that should lie in it."""
    n = max(map(len, shares.values()))
    axes = Axes((1, max(n, 2)), (0, 1), ("steps ahead", "share of values in the interval"))
    axes.top += 16 * (len(shares) - 1)  # a line of the key for each
    said = []
    for i, (nominal, by_step) in enumerate(shares.items()):
        wanted = f"{100 * float(nominal):g} %"
        axes.add_line(enumerate(by_step, 1), f"in the {wanted} interval", i, 0, dots=True)
        axes.add_line([(1, float(nominal)), (n, float(nominal))], f"{wanted} should be", i, 1)
        said.append(f"{write_percent(float(np.mean(by_step)))} in the interval for {wanted}")
    alt = f"Line chart of the share of values in each interval at each of {n} steps ahead: {'; '.join(said)}."
    return axes.picture("Share of values in each interval", alt, _steps(n), nice_ticks(0, 1))


def forecast(i: int, example: Mapping[str, Any]) -> Picture:
    """What came and what was predicted of an example, a colour a feature."""
    values = {name: np.array(example[name], np.float64) for name in ("expected", "predicted")}  # steps x features
    low, high = (float(end(np.concatenate(list(values.values())))) for end in (np.min, np.max))
    n = len(values["expected"])
    axes = Axes((1, max(n, 2)), (low, high if high > low else low + 1), ("steps ahead", "value"), 300, 220)
    for dash, (name, steps) in enumerate(values.items()):
        for feature, line in enumerate(steps.T):
            colour = dash if len(steps.T) == 1 else feature
            axes.add_line(enumerate(map(float, line), 1), "" if feature else name, colour, dash)
    error = float(np.abs(values["expected"] - values["predicted"]).mean())
    alt = f"Line chart of example {i} over {n} steps: what came, and what was predicted, {error:.3g} away in the mean."
    return axes.picture(f"Example {i}: what came and what was predicted", alt, _steps(n), nice_ticks(low, high, 4))


def _steps(n: int) -> Sequence[float]:
    return range(1, n + 1) if n <= MAX_POSITION_LABELS else nice_ticks(1, n, 8)
