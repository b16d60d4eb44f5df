"""Pictures of forecasts: the history before, what was forecast, its interval, and what came, on an axis of time."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from tasks.reporting.svg import Axes, Picture, nice_ticks
from tasks.reporting.wording import write_percent
from tasks.storage.artifacts.shapes import ForecastFile, OneStep

MOST_FEATURES = 2  # that are drawn, as more lines cannot be told apart
TIME_LABELS = 4
_WIDTH, _HEIGHT, _TOP = 420, 280, 58  # CSS pixels; the key takes two lines
_MIDNIGHT = " 00:00:00"

Point = tuple[float, float]


def draw_forecast(forecast: ForecastFile) -> Picture:
    """A forecast; steps count from its origin, which is 0, and have their stamps where there are any."""
    n_history, n_ahead = len(forecast["history"]), len(forecast["predicted"])
    columns = forecast["columns"][:MOST_FEATURES]
    low, high = _range(forecast)
    axes = Axes((1 - n_history, n_ahead), (low, high), (_axis_name(forecast), ", ".join(columns)), _WIDTH, _HEIGHT)
    axes.top = _TOP
    for i, column in enumerate(columns):
        _draw(axes, forecast, i, f"{column}: " if len(columns) > 1 else "")
    axes.add_mark(0)
    ticks = sorted({round(tick) for tick in np.linspace(1 - n_history, n_ahead, TIME_LABELS)})
    labels = _labels(forecast, n_history)
    return axes.picture(
        forecast["which"], _alt(forecast), ticks, nice_ticks(low, high, 4), lambda tick: labels[int(tick)]
    )


def _draw(axes: Axes, forecast: ForecastFile, feature: int, prefix: str) -> None:
    history = _line(forecast["history"], feature, 1 - len(forecast["history"]))
    for i, part in enumerate(history):
        axes.add_line(part, "" if i or feature else f"{prefix}history", 2 * feature, 0)
    (predicted,) = _line(forecast["predicted"], feature, 1)
    ends = _outer(forecast)
    if ends is not None:
        (lower,), (upper,) = (_line(forecast["quantiles"][end], feature, 1) for end in ends)
        axes.add_band(lower, upper, "" if feature else _interval_name(ends), 2 * feature + 1)
    if forecast["expected"] is not None:
        (came,) = _line(forecast["expected"], feature, 1)
        axes.add_line(came, f"{prefix}what came", 2 * feature, 2)
    axes.add_line(predicted, f"{prefix}forecast", 2 * feature + 1, 1)


def _line(steps: Sequence[OneStep], feature: int, first: int) -> list[list[Point]]:
    """The points of a feature, a list for each run of steps without a missing one."""
    runs = itertools.groupby(enumerate(steps, first), key=lambda step: step[1] is None)
    return [
        [(float(i), float(step[feature])) for i, step in run if step is not None]
        for missing, run in runs
        if not missing
    ]


def _outer(forecast: ForecastFile) -> tuple[str, str] | None:
    """The lowest and the highest quantile, where they lie on both sides of the median."""
    names = sorted(forecast["quantiles"], key=float)
    return (names[0], names[-1]) if names and float(names[0]) < 0.5 < float(names[-1]) else None  # noqa: PLR2004


def _interval_name(ends: tuple[str, str]) -> str:
    return f"{100 * (float(ends[1]) - float(ends[0])):g} % interval"


def _range(forecast: ForecastFile) -> tuple[float, float]:
    every = [*forecast["history"], *forecast["predicted"], *(forecast["expected"] or [])]
    every += [step for steps in forecast["quantiles"].values() for step in steps]
    values = [value for step in every if step is not None for value in step[:MOST_FEATURES]]
    low, high = min(values), max(values)
    return low, high if high > low else low + 1


def _axis_name(forecast: ForecastFile) -> str:
    return (
        "steps from the origin" if forecast["times"] is None else "time; the line is the last step before the forecast"
    )


def _labels(forecast: ForecastFile, n_history: int) -> dict[int, str]:
    """What each step is called on the axis: by its stamp, dates without a time where all are at midnight."""
    times, first = forecast["times"], 1 - n_history
    if times is None:
        return {step: f"{step:+d}" if step else "0" for step in range(first, len(forecast["predicted"]) + 1)}
    plain = [time.partition("+")[0] for time in times]
    if all(time.endswith(_MIDNIGHT) for time in plain):
        plain = [time.removesuffix(_MIDNIGHT) for time in plain]
    return dict(enumerate((time.removesuffix(":00") if " " in time else time for time in plain), first))


def _alt(forecast: ForecastFile) -> str:
    n_history, n_ahead = len(forecast["history"]), len(forecast["predicted"])
    predicted = np.array(forecast["predicted"], np.float64)[:, 0]
    said = f"Line chart of {n_history} steps of {forecast['columns'][0]} and {n_ahead} steps that were forecast"
    if forecast["times"] is not None:
        said += f", {forecast['times'][n_history]} to {forecast['times'][-1]}"
    said += f": the forecast goes from {predicted[0]:.3g} to {predicted[-1]:.3g}"
    if forecast["expected"] is not None:
        came = np.array(forecast["expected"], np.float64)[:, 0]
        said += f", what came from {came[0]:.3g} to {came[-1]:.3g}"
        if (ends := _outer(forecast)) is not None:
            lower, upper = (np.array(forecast["quantiles"][end], np.float64)[:, 0] for end in ends)
            inside = float(((lower <= came) & (came <= upper)).mean())
            said += f"; {write_percent(inside)} of the steps lie in the {_interval_name(ends)}"
    return f"{said}."


def error_by_series(ratios: Sequence[float], *, is_relative: bool) -> Picture:
    """The error of each series, the smallest first; over that of the best simple forecast where there is one."""
    n, highest = len(ratios), max(*ratios, 1.0 if is_relative else 0.0) or 1.0
    name = "error / best simple forecast's" if is_relative else "mean absolute error (in the target's unit)"
    axes = Axes((0, 100), (0, highest), ("share of the series, %", name))
    axes.add_line([(100 * (i + 0.5) / n, ratio) for i, ratio in enumerate(ratios)], "model", 0, dots=True)
    alt = f"Line chart of the errors of series in ascending order, {ratios[0]:.3g} to {ratios[-1]:.3g}"
    alt += f", half of them below {float(np.median(ratios)):.3g}"
    if is_relative:
        axes.add_line([(0, 1), (100, 1)], "best simple forecast", 1, 1)
        alt += f"; {write_percent(float(np.mean(np.array(ratios) < 1)))} err less than the best simple forecast"
    return axes.picture("Error by series, the smallest first", f"{alt}.", nice_ticks(0, 100), nice_ticks(0, highest))
