"""Pictures of many points, as PNG bytes."""

from __future__ import annotations

import base64
import io
import warnings
from typing import Any

from matplotlib import colormaps
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from tasks.reporting.projection import NOTHING, OTHERS, Colours, Projection

INK, GRID = "#1f4e79", "#d9dee4"
MAX_NAME = 28  # characters of a user's text beside a picture


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


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from")  # a box stands for it
        FigureCanvasAgg(figure).print_png(buffer)
    return buffer.getvalue()
