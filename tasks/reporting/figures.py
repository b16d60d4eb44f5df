"""The report's pictures, as PNG bytes."""

from __future__ import annotations

import base64
import io
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from tasks.reporting.projection import NOTHING, OTHERS, Colours, Projection

INK, GRID = "#1f4e79", "#d9dee4"
MAX_FORECASTS = 4
MAX_MAP_LABELS = 30  # symbols along a side of an attention map that can be read
MAX_UPRIGHT = 2  # characters of a symbol that need not be turned
CELL_INCHES, MAX_INCHES = 0.24, 9.0
MAX_NAME = 28  # characters of a user's text beside a picture
MAX_LABELS = 25  # more tick labels than this cannot be read


LABELS = {
    "loss": "loss",
    "accuracy": "teacher-forced token accuracy",
    "mae": "mean absolute error (deviations)",
}


def learning_curve(curve: list[dict[str, float]], epochs: list[dict[str, float]], metric: str) -> bytes:
    """Loss and metric (teacher-forced) over the pairs seen, and of the validation split by epoch."""
    figure = Figure(figsize=(7.2, 2.8), layout="constrained")
    for axes, name in zip(figure.subplots(1, 2), ("loss", metric), strict=True):
        axes.plot([point["pairs"] for point in curve], [point[name] for point in curve], color=INK, label="training")
        validation = [epoch[f"val_{name}"] for epoch in epochs if f"val_{name}" in epoch]
        if validation:
            axes.plot([epoch["pairs"] for epoch in epochs], validation, "o", color="#c0504d", label="validation")
            axes.legend(frameon=False)
        axes.set(xlabel="training pairs seen", ylabel=LABELS[name])
        if min(point[name] for point in curve) >= 0:
            axes.set_ylim(bottom=0)
        _clean(axes)
    return _png(figure)


def error_by_step(errors: dict[str, list[float]]) -> bytes:
    """Mean absolute errors at each step ahead, the model's and those of simple forecasts, by name."""
    figure = Figure(figsize=(5.4, 2.8), layout="constrained")
    axes = figure.subplots()
    for (name, by_step), color in zip(errors.items(), (INK, "#c0504d", "#6a8d3b"), strict=False):
        axes.plot(np.arange(1, len(by_step) + 1), by_step, "o-", color=color, label=name)
    axes.set(xlabel="steps ahead", ylabel="mean absolute error")
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False)
    _clean(axes)
    return _png(figure)


def coverage(shares: dict[str, list[float]]) -> bytes:
    """The share of values in each interval at each step ahead, by the share that should lie in it, which is dashed."""
    figure = Figure(figsize=(5.4, 2.8), layout="constrained")
    axes = figure.subplots()
    for i, (nominal, by_step) in enumerate(shares.items()):
        steps, color = np.arange(1, len(by_step) + 1), colormaps["tab10"](i % 10)
        axes.plot(steps, by_step, "o-", color=color, label=f"{100 * float(nominal):g} % interval")
        axes.axhline(float(nominal), linestyle="--", color=color, linewidth=1)
    axes.set(xlabel="steps ahead", ylabel="share of values in it", ylim=(0, 1.02))
    axes.legend(frameon=False)
    _clean(axes)
    return _png(figure)


def forecasts(examples: list[dict[str, Any]]) -> bytes:
    """What came (full lines) and what was predicted (dashed) of some examples, a color a feature."""
    shown = examples[:MAX_FORECASTS]
    figure = Figure(figsize=(7.2, 2.2), layout="constrained")
    for axes, example in zip(figure.subplots(1, len(shown), sharey=True, squeeze=False)[0], shown, strict=True):
        for name, style in (("expected", "-"), ("predicted", "--")):
            values = np.array(example[name])  # steps x features
            for feature, color in zip(values.T, (INK, "#c0504d", "#6a8d3b", "#8064a2") * len(values.T), strict=False):
                axes.plot(np.arange(1, len(feature) + 1), feature, style, color=color)
        axes.set(xlabel="steps ahead")
        _clean(axes)
    return _png(figure)


def best_so_far(scores: Sequence[float | None], best: Sequence[float | None], metric: str) -> bytes:
    """The score of each trial of a sweep as a dot, and the best until then as a line."""
    figure = Figure(figsize=(7.2, 2.8), layout="constrained")
    axes = figure.subplots()
    numbers = np.arange(len(scores))
    axes.plot(numbers, np.array(scores, np.float64), "o", color=INK, markersize=4, label="a trial")
    axes.step(numbers, np.array(best, np.float64), where="post", color="#c0504d", label="best so far")
    axes.set(xlabel="trial", ylabel=metric.replace("_", " "))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(frameon=False)
    _clean(axes)
    return _png(figure)


def accuracy_by_position(shares: list[float]) -> bytes:
    """The share of right tokens at each target position."""
    figure = Figure(figsize=(3.6, 2.8), layout="constrained")
    axes = figure.subplots()
    axes.bar(np.arange(1, len(shares) + 1), shares, color=INK)
    axes.set(xlabel="target position", ylabel="token accuracy", ylim=(0, 1))
    if len(shares) <= MAX_LABELS:
        axes.set_xticks(np.arange(1, len(shares) + 1))
    _clean(axes)
    return _png(figure)


def confusion(matrix: NDArray[np.int64], labels: list[str]) -> bytes:
    """How often each expected token (row) was predicted as each token (column), as a share of its row."""
    figure = Figure(figsize=(5.4, 4.8), layout="constrained")
    axes = figure.subplots()
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, interpolation="nearest")
    step = -(-len(labels) // MAX_LABELS)
    ticks = np.arange(0, len(labels), step)
    axes.set_xticks(ticks, [labels[i] for i in ticks], rotation=90, fontsize=7)
    axes.set_yticks(ticks, [labels[i] for i in ticks], fontsize=7)
    axes.set(xlabel="predicted", ylabel="expected")
    figure.colorbar(image, label="share of the expected token")
    return _png(figure)


def attention(source: list[str], predicted: list[str], weights: NDArray[np.floating[Any]]) -> bytes:
    """The picture that `attention_figure` describes."""
    return _png(attention_figure(source, predicted, weights))


def attention_figure(source: list[str], predicted: list[str], weights: NDArray[np.floating[Any]]) -> Figure:
    """The weights of the source's steps (columns) at each step of a prediction (rows), which are read from the top.

    Args:
        source: how each step is written; where there are more than can be read, they are numbered.
        predicted: likewise.
        weights: `(predicted, source)`, in [0, 1].
    """
    width, height = (min(max(1.8 + CELL_INCHES * len(steps), 3.0), MAX_INCHES) for steps in (source, predicted))
    figure = Figure(figsize=(width + 0.8, height), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(weights, cmap="Blues", vmin=0, vmax=1, interpolation="nearest", aspect="auto")
    if len(source) <= MAX_MAP_LABELS:
        axes.set_xticks(np.arange(len(source)), map(_short, source), fontsize=8)
        for label, step in zip(axes.get_xticklabels(), source, strict=True):
            label.set_rotation(90 if len(step) > MAX_UPRIGHT else 0)
    if len(predicted) <= MAX_MAP_LABELS:
        axes.set_yticks(np.arange(len(predicted)), map(_short, predicted), fontsize=8)
    for label in (*axes.get_xticklabels(), *axes.get_yticklabels()):
        _plain(label)
    axes.set(xlabel="source", ylabel="predicted")
    figure.colorbar(image, label="attention")
    return figure


def states(projection: Projection, colours: Colours, column: str, seen: int) -> bytes:
    """The picture that `states_figure` describes."""
    return _png(states_figure(projection, colours, column, seen))


def states_figure(projection: Projection, colours: Colours, column: str, seen: int) -> Figure:
    """Encoder states in the plane of their two first principal components, coloured by a column.

    Args:
        projection: the rows that are shown.
        colours: of the same rows.
        column: the name of what colours them.
        seen: how many rows there are.
    """
    figure = Figure(figsize=(7.2, 5.4), layout="constrained")
    axes = figure.subplots()
    n, points = len(projection.points), projection.points
    if colours.numbers is not None:
        dots = axes.scatter(
            points[:, 0], points[:, 1], c=colours.numbers, s=9, cmap="viridis", plotnonfinite=True, linewidths=0
        )
        _plain(figure.colorbar(dots).ax.set_ylabel(_short(column)))
    for name, color in zip(colours.names, _category_colors(colours.names), strict=True):
        chosen = points[[category == name for category in colours.categories]]
        axes.scatter(
            chosen[:, 0], chosen[:, 1], color=color, s=9, linewidths=0, label=f" {_short(name)} ({len(chosen):,})"
        )
    if colours.names:
        legend = figure.legend(loc="outside right upper", title=_short(column), frameon=False, markerscale=2)
        for text in (legend.get_title(), *legend.get_texts()):
            _plain(text)
    axes.set_title(f"{n:,} rows" if n == seen else f"{n:,} of {seen:,} rows, evenly taken", fontsize=10)
    first, second = (f"{100 * share:.1f} % of the variance" for share in projection.shares)
    axes.set(xlabel=f"1st principal component ({first})", ylabel=f"2nd ({second})")
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def _category_colors(names: list[str]) -> list[Any]:
    """A colour each; what is not told apart is grey."""
    greys = {OTHERS: "#b8bec5", NOTHING: "#d9dee4"}
    return [greys.get(name, colormaps["tab10"](i)) for i, name in enumerate(names)]


def _short(text: str) -> str:
    return text if len(text) <= MAX_NAME else f"{text[: MAX_NAME - 1]}…"


def _plain(text: Any) -> None:  # noqa: ANN401 - matplotlib's Text
    """Takes a user's text as it is: `$` would begin a formula."""
    text.set_parse_math(False)


def data_uri(png: bytes) -> str:
    """A PNG as a URI that a page can hold."""
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


def _clean(axes: Any) -> None:  # noqa: ANN401 - matplotlib's Axes
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color=GRID, linewidth=0.6)
    axes.set_axisbelow(True)


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from")  # a box stands for it
        FigureCanvasAgg(figure).print_png(buffer)
    return buffer.getvalue()
