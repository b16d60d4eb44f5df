"""Daily sales of thirty shops, drawn from a stated process: `python data/examples/panel.py` writes the two files anew.

On day t, a shop sells a whole number near `median * exp(NOISE * z)`, z from a standard normal distribution, anew each
day; its median is the shop's level, times what each of these makes of it:

    trend        exp(rate * years since the first day), the rate its own
    week         of WEEK, by the weekday
    year         exp(YEAR * sin(2 pi (day of the year - 80) / 365.25))
    price        (price / PRICE) ** ELASTICITY
    promotion    PROMOTION, on some days
    holiday      HOLIDAY, on days on which shops close early

Since the noise of a day says nothing of the next, no forecast is better in the mean than the median itself, whatever
the horizon: `medians` gives it, and the error of it is the least that can be had.

Price, promotion and holiday are known ahead. One shop opens later than the others, and one closes earlier; of each,
some days are missing, and on some days nobody wrote the sales down.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

FIRST, DAYS, AHEAD, HISTORY = np.datetime64("2022-01-01"), 1096, 14, 28
SHOPS = tuple(f"shop-{number:02}" for number in range(1, 31))
NOISE = 0.3
WEEK = (0.85, 0.85, 0.9, 1.0, 1.2, 1.45, 0.75)  # Monday to Sunday
YEAR = 0.25
PRICE, ELASTICITY = 5.0, -1.5
PROMOTION, HOLIDAY = 1.5, 0.5
PROMOTED, UNWRITTEN = 0.12, 0.004  # shares of days
HOLIDAYS = ("01-01", "04-18", "05-01", "05-29", "08-15", "10-03", "11-01", "12-24", "12-25", "12-26")
LATE, EARLY = "shop-04", "shop-19"  # the one opens on the 400th day, the other closes on the 900th
HERE = Path(__file__).parent


class Shop(NamedTuple):
    """What is a shop's own: how much it sells, and how its sales grow in a year."""

    level: float
    rate: float


class Panel(NamedTuple):
    """The rows of all shops, with those that are ahead behind the others, and what each would sell without noise."""

    rows: pa.Table
    medians: NDArray[np.float64]


def draw() -> Panel:
    """The panel: columns `shop`, `day`, `sales`, `price`, `promotion`, `holiday`; `sales` is null where unknown."""
    rng = np.random.default_rng(0)
    parts = [_rows_of(name, _shop(rng), rng) for name in SHOPS]
    return Panel(pa.concat_tables(part.rows for part in parts), np.concatenate([part.medians for part in parts]))


def _shop(rng: np.random.Generator) -> Shop:
    return Shop(20 * 20 ** rng.random(), rng.uniform(-0.05, 0.15))


def _rows_of(name: str, shop: Shop, rng: np.random.Generator) -> Panel:
    days = FIRST + np.arange(DAYS + AHEAD)
    price = _prices(rng)
    promotion = np.repeat(rng.random(-(-len(days) // 4)) < PROMOTED, 4)[: len(days)]  # four days each
    holiday = np.isin(np.datetime_as_string(days, "D").astype("U10"), _holidays())
    medians = _median(shop, days, price, promotion, holiday)
    sales = np.round(medians * np.exp(NOISE * rng.standard_normal(len(days))))
    is_written = (rng.random(len(days)) >= UNWRITTEN) & (np.arange(len(days)) < DAYS)
    rows = pa.table(
        {
            "shop": pa.array([name] * len(days)),
            "day": pa.array(days, pa.date32()),
            "sales": pa.array(sales.astype(np.int32), mask=~is_written),
            "price": pa.array(price),
            "promotion": pa.array(promotion.astype(np.int8)),
            "holiday": pa.array(holiday.astype(np.int8)),
        }
    )
    is_there = pa.array(_is_there(name, rng))
    return Panel(rows.filter(is_there), medians[is_there.to_numpy(zero_copy_only=False)])


def _prices(rng: np.random.Generator) -> NDArray[np.float64]:
    """The usual price, or up to a fifth less or more; another one every two weeks."""
    changes = rng.uniform(-0.2, 0.2, -(-(DAYS + AHEAD) // 14))
    return np.round(PRICE * (1 + np.repeat(changes, 14)[: DAYS + AHEAD]), 2)


def _holidays() -> list[str]:
    return [f"{year}-{day}" for year in range(2022, 2026) for day in HOLIDAYS]


def _median(
    shop: Shop,
    days: NDArray[np.datetime64],
    price: NDArray[np.float64],
    promotion: NDArray[np.bool_],
    holiday: NDArray[np.bool_],
) -> NDArray[np.float64]:
    since = (days - FIRST).astype(np.int64)
    weekday = (days.astype("M8[D]").astype(np.int64) + 3) % 7  # 1 January 1970 was a Thursday
    yearday = (days - days.astype("M8[Y]").astype("M8[D]")).astype(np.int64)
    median: NDArray[np.float64] = (
        shop.level
        * np.exp(shop.rate * since / 365.25)
        * np.array(WEEK)[weekday]
        * np.exp(YEAR * np.sin(2 * np.pi * (yearday - 80) / 365.25))
        * (price / PRICE) ** ELASTICITY
        * np.where(promotion, PROMOTION, 1)
        * np.where(holiday, HOLIDAY, 1)
    )
    return median


def _is_there(name: str, rng: np.random.Generator) -> NDArray[np.bool_]:
    """The days that a shop has rows for: all but four times one to five of them, and those when it was not open."""
    is_there = np.ones(DAYS + AHEAD, np.bool_)
    for first, n in zip(rng.integers(30, DAYS - 30, 4), rng.integers(1, 6, 4), strict=True):
        is_there[first : first + n] = False
    if name == LATE:
        is_there[:400] = False
    if name == EARLY:
        is_there[900:] = False
    return is_there


def history(panel: Panel) -> pa.Table:
    """What there is to learn from: the rows of all days but those ahead."""
    return panel.rows.filter(_days_of(panel) < FIRST + DAYS)


def to_predict(panel: Panel) -> pa.Table:
    """The last four weeks of the shops that are open, and what is known of the two weeks ahead."""
    return panel.rows.filter(_days_of(panel) >= FIRST + DAYS - HISTORY)


def _days_of(panel: Panel) -> NDArray[np.datetime64]:
    days: NDArray[np.datetime64] = panel.rows["day"].to_numpy()
    return days


def write(folder: Path) -> None:
    """Writes `panel.parquet` and `panel-ahead.csv`."""
    panel = draw()
    pq.write_table(history(panel), folder / "panel.parquet", compression="zstd")
    pc.write_csv(to_predict(panel), folder / "panel-ahead.csv", pc.WriteOptions(quoting_style="none"))


if __name__ == "__main__":
    write(HERE)
