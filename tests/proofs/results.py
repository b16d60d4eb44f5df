"""What came of the runs of a proof, as a table of docs/results.md."""

from __future__ import annotations

import json
import re
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from tests.proofs.proofs import Figure, Proof


class PageError(Exception):
    """The page has no place for a result."""


@dataclass(frozen=True)
class Run:
    """One seed's run; times in seconds, the whole command's and of that its training's.

    `best_epoch` is the one whose weights were kept, of `epochs`.
    """

    seed: int
    figures: dict[str, float]
    train_rows: int
    evaluated: int
    parameters: int
    epochs: int
    best_epoch: int
    train_sequences_per_s: float
    training_seconds: float
    seconds: float
    cores: int
    versions: dict[str, str]

    @classmethod
    def of(cls, summary: dict[str, Any], proof: Proof, seed: int, seconds: float, cores: int) -> Self:
        """From the summary, and from the artifact of the training that it names."""
        step = next(step for step in summary["steps"] if step["name"] == "training")
        manifest, history = (
            json.loads((Path(step["path"]) / name).read_text(encoding="utf-8"))
            for name in ("manifest.json", "history.json")
        )
        return cls(
            seed=seed,
            figures={figure.name: figure.of(summary) for figure in proof.figures},
            train_rows=summary["dataset"]["rows"],
            evaluated=summary["n_evaluated"],
            parameters=manifest["facts"]["parameters"],
            epochs=len(history["epochs"]),
            best_epoch=history["best_epoch"],
            train_sequences_per_s=summary["train_sequences_per_s"],
            training_seconds=step["made_in_seconds"],
            seconds=seconds,
            cores=cores,
            versions={name: manifest["versions"][name] for name in ("keras", "tensorflow")},
        )

    def write(self, path: Path) -> None:
        """Stores the run as JSON."""
        path.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Self:
        """The run that was stored."""
        return cls(**json.loads(path.read_text(encoding="utf-8")))


def missed(proof: Proof, runs: Sequence[Run]) -> list[str]:
    """A line for each goal that a seed did not reach."""
    return [
        f"{figure.said}: seed {run.seed} has {run.figures[figure.name]:g}, the goal is {figure.said_goal}"
        for figure in proof.figures
        for run in runs
        if not figure.is_met(run.figures[figure.name])
    ]


def format_table(proof: Proof, runs: Sequence[Run]) -> str:
    """The figures of the runs as Markdown, one line each, then the cost, one column a seed, and what they are of."""
    head = ["", "goal", "published", *(f"seed {run.seed}" for run in runs), "lowest", "median", "highest"]
    rows = [head, ["---", *["---:"] * (len(head) - 1)]]
    rows += [_figure_row(figure, runs) for figure in proof.figures]
    rows.append(_row("epochs, of them kept", [f"{run.epochs}, {run.best_epoch}" for run in runs]))
    rows.append(_numbers("seconds in all", [run.seconds for run in runs], ".0f"))
    rows.append(_numbers("seconds of training", [run.training_seconds for run in runs], ".0f"))
    rows.append(_numbers("sequences/s in training", [run.train_sequences_per_s for run in runs], ",.0f"))
    return "\n".join(["| " + " | ".join(row) + " |" for row in rows] + ["", _describe(runs)])


def _figure_row(figure: Figure, runs: Sequence[Run]) -> list[str]:
    form = ".2f" if figure.name == "bleu" else ".4f"
    row = _numbers(figure.said, [run.figures[figure.name] for run in runs], form)
    published = "" if figure.published is None else f"{figure.published:g}"
    return [row[0], figure.said_goal, published, *row[3:]]


def _numbers(said: str, values: Sequence[float], form: str) -> list[str]:
    spread = (min(values), statistics.median(values), max(values))
    return _row(said, [f"{value:{form}}" for value in values], [f"{value:{form}}" for value in spread])


def _row(said: str, values: Iterable[str], spread: Iterable[str] = ("", "", "")) -> list[str]:
    return [said, "", "", *values, *spread]


def _describe(runs: Sequence[Run]) -> str:
    run = runs[0]
    versions = ", ".join(f"{name} {version}" for name, version in run.versions.items())
    return (
        f"{run.train_rows:,} training pairs, {run.evaluated:,} held out; {run.parameters:,} weights; "
        f"{run.cores} core{'s' * (run.cores > 1)}; {versions}."
    )


def put_into(page: str, name: str, table: str) -> str:
    """The page with the table between the marks of the proof `name`.

    Raises:
        PageError: the page has no such marks.
    """
    first, last = f"<!-- proof: {name} -->", "<!-- end -->"
    pattern = re.compile(rf"{re.escape(first)}\n.*?{re.escape(last)}", re.DOTALL)
    if not pattern.search(page):
        raise PageError(f"the page has no lines {first!r} and {last!r} to put the result between; add them")
    return pattern.sub(lambda _: f"{first}\n{table}\n{last}", page, count=1)
