"""Pictures as SVG within a page: their colours are the page's, their text is text, and nothing in them is mark-up."""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from markupsafe import Markup, escape

from tasks.seq2seq.shown import shown

SERIES = ("var(--ink)", "var(--second)", "var(--third)", "var(--fourth)")
DASHES = ("", "6 4", "2 3")  # colours are not the only difference between lines
# As in `style.css.jinja`: of a picture that stands outside a page of ours, on a ground of its own.
LIGHT = (
    ":root{--page:#fff;--text:#1b1f24;--soft:#57606a;--line:#d9dee4;--ink:#1f4e79;--second:#b0413e;--third:#4d7326;"
    "--fourth:#6f5090}text{font-family:sans-serif}"
)
_ATTRIBUTES = {"class_": "class"}
Point = tuple[float, float]


@dataclass(frozen=True)
class Picture:
    """A drawing with what it shows.

    title: a caption in a line.
    alt: what is to be seen on it, for those who do not see it.
    width, height: in CSS pixels.
    """

    title: str
    alt: str
    width: float
    height: float
    parts: Sequence[Markup]

    @property
    def is_wide(self) -> bool:
        """Whether a narrow page has to scroll it, as its labels could not be read if it were made smaller."""
        return self.width > MAX_SHRUNK

    def inline(self) -> Markup:
        """The drawing for a page of ours."""
        size = Markup(' style="width:{}px;max-width:{}"').format(f"{self.width:g}", "none" if self.is_wide else "100%")
        return self._svg(size, Markup(""))

    def data_uri(self) -> str:
        """The drawing for a page of others."""
        return f"data:image/svg+xml;base64,{base64.b64encode(self._repr_svg_().encode()).decode()}"

    def _repr_svg_(self) -> str:
        """The drawing by itself, which notebooks show."""
        size = Markup(' xmlns="http://www.w3.org/2000/svg" width="{}" height="{}"').format(
            f"{self.width:g}", f"{self.height:g}"
        )
        ground = Markup("<style>{}</style>").format(Markup(LIGHT)) + tag(  # noqa: S704 - a constant
            "rect", width=self.width, height=self.height, fill="var(--page)"
        )
        return self._svg(size, ground)

    def _svg(self, attributes: Markup, ground: Markup) -> Markup:
        opening = Markup('<svg viewBox="0 0 {} {}" role="img" aria-label="{}"{}>').format(
            f"{self.width:g}", f"{self.height:g}", shown(self.alt), attributes
        )
        return opening + ground + Markup("").join(self.parts) + Markup("</svg>")


MANY_DOTS = 25
MAX_SHRUNK = 420  # CSS pixels: on a page of 360 its labels of 12 are still 9


def tag(name: str, content: str = "", **attributes: object) -> Markup:
    """An element; numbers are written to two decimals, and text as text."""
    written = Markup("").join(
        Markup(' {}="{}"').format(_ATTRIBUTES.get(key, key.replace("_", "-")), _written(value))
        for key, value in attributes.items()
        if value != ""
    )
    return Markup("<{}{}>{}</{}>").format(name, written, content, name)


def text(x: float, y: float, content: object, anchor: str = "middle", size: float = 12, **more: object) -> Markup:
    """A label, whose base line begins, ends or is centred at a point."""
    colours = {"fill": "var(--soft)", **more}
    return tag("text", escape(shown(content)), x=x, y=y, text_anchor=anchor, font_size=size, **colours)


def _written(value: object) -> object:
    if isinstance(value, float):
        return f"{value:.2f}".rstrip("0").rstrip(".")
    return shown(value)


def nice_ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Round numbers from `low` to `high`, a few; one where both are the same."""
    span = high - low
    if not math.isfinite(span) or span <= 0:
        return [low]
    power = 10.0 ** math.floor(math.log10(span / most))
    step = next(step for step in (power, 2 * power, 5 * power, 10 * power) if span / step <= most)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(i * step, 12) for i in range(first, last + 1)]


def write_tick(value: float) -> str:
    """The label of a round number."""
    return f"{value:,.0f}" if float(value).is_integer() and abs(value) < 1e9 else f"{value:.6g}"  # noqa: PLR2004


@dataclass
class Axes:
    """A plot with two axes, to which lines, dots and bars are added.

    x, y: the range of each, low and high.
    names: of the axes, with their units.
    """

    x: tuple[float, float]
    y: tuple[float, float]
    names: tuple[str, str]
    width: float = 370
    height: float = 250
    parts: list[Markup] = field(default_factory=list)
    keys: list[tuple[str, str, str]] = field(default_factory=list)

    left, right, top, bottom = 56, 12, 42, 44

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Where a point lies on the drawing."""
        across, up = ((value - low) / ((high - low) or 1.0) for value, (low, high) in ((x, self.x), (y, self.y)))
        return (
            self.left + across * (self.width - self.left - self.right),
            self.height - self.bottom - up * (self.height - self.top - self.bottom),
        )

    def add_line(
        self, points: Iterable[tuple[float, float]], name: str, i: int, dash: int = 0, *, dots: bool = False
    ) -> None:
        """A line in the i-th colour, with one of the `DASHES`, named in the key unless the name is empty."""
        places = [self.at(*point) for point in points]
        colour, dashes = SERIES[i % len(SERIES)], DASHES[dash % len(DASHES)]
        self.parts.append(
            tag(
                "polyline", points=" ".join(f"{x:.1f},{y:.1f}" for x, y in places), fill="none", stroke=colour,
                stroke_width=2, stroke_dasharray=dashes, stroke_linejoin="round",
            )
        )  # fmt: skip
        if dots:
            self.add_dots(places, colour)
        if name:
            self.keys.append((name, colour, dashes))

    def add_dots(self, places: Sequence[tuple[float, float]], colour: str) -> None:
        """Dots at places of the drawing, small ones if they are many."""
        radius = 3 if len(places) <= MANY_DOTS else 1.5
        self.parts.extend(tag("circle", cx=x, cy=y, r=radius, fill=colour) for x, y in places)

    def add_points(self, points: Iterable[tuple[float, float]], name: str, i: int) -> None:
        """Dots in the colour of the i-th series."""
        self.add_dots([self.at(*point) for point in points], SERIES[i % len(SERIES)])
        self.keys.append((name, SERIES[i % len(SERIES)], "dots"))

    def add_band(self, lower: Sequence[Point], upper: Sequence[Point], name: str, i: int) -> None:
        """What lies between two lines, in the i-th colour made light."""
        colour = SERIES[i % len(SERIES)]
        places = [self.at(*point) for point in (*lower, *reversed(upper))]
        self.parts.append(
            tag("polygon", points=" ".join(f"{x:.1f},{y:.1f}" for x, y in places), fill=colour, fill_opacity=0.2)
        )
        if name:
            self.keys.append((name, colour, "band"))

    def add_mark(self, x: float) -> None:
        """A line upwards at a place."""
        (across, bottom), (_, top) = self.at(x, self.y[0]), self.at(x, self.y[1])
        self.parts.append(
            tag("line", x1=across, x2=across, y1=bottom, y2=top, stroke="var(--soft)", stroke_dasharray="1 3")
        )

    def add_bars(self, heights: Sequence[float]) -> None:
        """Bars at 1, 2, and so on."""
        wide = 0.8 * (self.at(1, 0)[0] - self.at(0, 0)[0])
        for i, value in enumerate(heights, 1):
            x, y = self.at(i, value)
            self.parts.append(
                tag("rect", x=x - wide / 2, y=y, width=wide, height=self.at(i, 0)[1] - y, fill="var(--ink)")
            )

    def picture(
        self,
        title: str,
        alt: str,
        x_ticks: Sequence[float],
        y_ticks: Sequence[float],
        label: Callable[[float], str] = write_tick,
    ) -> Picture:
        """The plot, finished; `label` writes what stands below."""
        frame = [*self._horizontal(y_ticks), *self._marks(x_ticks, label), *self._names()]
        return Picture(title, alt, self.width, self.height, [*frame, *self.parts, *self._keys()])

    def _horizontal(self, ticks: Sequence[float]) -> Iterable[Markup]:
        for value in ticks:
            _, y = self.at(self.x[0], value)
            yield tag("line", x1=self.left, x2=self.width - self.right, y1=y, y2=y, stroke="var(--line)")
            yield text(self.left - 6, y + 4, write_tick(value), "end")

    def _marks(self, ticks: Sequence[float], write: Callable[[float], str]) -> Iterable[Markup]:
        base = self.height - self.bottom
        yield tag("line", x1=self.left, x2=self.width - self.right, y1=base, y2=base, stroke="var(--soft)")
        for value in ticks:
            x, _ = self.at(value, self.y[0])
            label = write(value)
            beyond = x + 3.5 * len(label) > self.width
            yield text(self.width if beyond else x, base + 16, label, "end" if beyond else "middle")

    def _names(self) -> Iterable[Markup]:
        yield text((self.left + self.width - self.right) / 2, self.height - 8, self.names[0])
        yield text(4, 12, self.names[1], "start")

    def _keys(self) -> Iterable[Markup]:
        x, y = float(self.left), 24.0
        for name, colour, dash in self.keys:
            wide = 23 + 7 * len(name)
            if x > self.left and x + wide > self.width:
                x, y = float(self.left), y + 16
            if dash == "dots":
                yield tag("circle", cx=x + 9, cy=y, r=3, fill=colour)
            elif dash == "band":
                yield tag("rect", x=x, y=y - 5, width=18, height=10, fill=colour, fill_opacity=0.2)
            else:
                yield tag("line", x1=x, x2=x + 18, y1=y, y2=y, stroke=colour, stroke_width=2, stroke_dasharray=dash)
            yield text(x + 23, y + 4, name, "start")
            x += wide + 14
