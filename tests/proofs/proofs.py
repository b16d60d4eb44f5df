"""What is proven: each an experiment, its data, and the figures that it must reach."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.proofs import samples

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
EXAMPLES = ROOT / "data" / "examples"
LEAST_ERROR_OF_PANEL = 35.003  # of its test windows, by the medians that its script draws from; a test works it out


@dataclass(frozen=True)
class Figure:
    """A number of the summary.

    Args:
        name: of the summary's field; of one inside another with a slash between.
        said: in words.
        goal: that the worst seed must reach, or None.
        published: what others report for it, or None.
        at_most: whether the goal is a ceiling that must not be touched, else a floor.
        unit: what the field's number is divided by.
    """

    name: str
    said: str
    goal: float | None = None
    published: float | None = None
    at_most: bool = False
    unit: float = 1.0

    def of(self, summary: Mapping[str, Any]) -> float:
        """What a run's summary says."""
        found: Any = summary
        for part in self.name.split("/"):
            found = found[part]
        return float(found) / self.unit

    @property
    def said_goal(self) -> str:
        """The goal for a reader."""
        return "" if self.goal is None else f"{'<' if self.at_most else '>='} {self.goal:g}"

    def is_met(self, value: float) -> bool:
        """Whether one run reaches the goal."""
        reaches = operator.lt if self.at_most else operator.ge
        return self.goal is None or reaches(value, self.goal)


@dataclass(frozen=True)
class Proof:
    """One claim: what `experiment` must reach on the data that `make` writes, or that it brings itself."""

    experiment: Path
    figures: tuple[Figure, ...]
    make: Callable[..., None] | None = None  # of a folder, and of how many pairs


def _whole(goal: float | None = None) -> Figure:
    return Figure("sequence_accuracy", "whole sequences right", goal)


def _series(example: str) -> Proof:
    figure = Figure("relative_mae", "error / that of the best simple forecast", 1.0, at_most=True)
    return Proof(EXAMPLES / f"{example}.toml", (figure,))


PROOFS = {
    "tutorial": Proof(HERE / "tutorial.toml", (_whole(0.999),)),
    "cardinality-300": Proof(HERE / "cardinality-300.toml", (_whole(0.999),)),
    "addition": Proof(
        HERE / "addition.toml",
        (_whole(0.995), Figure("token_accuracy", "characters right", published=0.9985)),
        samples.write_addition,
    ),
    "reversal": Proof(
        HERE / "reversal.toml", (Figure("bleu", "BLEU", 95.19, published=95.19), _whole()), samples.write_reversal
    ),
    "copy": Proof(HERE / "copy.toml", (_whole(0.99), Figure("token_accuracy", "integers right")), samples.write_copy),
    "first-40-of-400": Proof(
        HERE / "first-40-of-400.toml", (_whole(), Figure("token_accuracy", "integers right")), samples.write_first_40
    ),
    "weather": _series("weather"),
    "co2": _series("co2"),
    "panel": Proof(
        EXAMPLES / "panel.toml",
        (
            Figure("mae", "error / the least that can be had", 1.1, at_most=True, unit=LEAST_ERROR_OF_PANEL),
            Figure("interval_coverage/0.8", "share of sales in the 80 % intervals", 0.75),
            Figure("interval_coverage/0.8", "the same, not too much", 0.85, at_most=True),
        ),
    ),
}
