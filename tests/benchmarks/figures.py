"""The figures, their goals, and how they are won from what was measured."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from architectures import PROBLEMS, SHAPES

Results = dict[str, list[dict[str, Any]]]  # by measurement, one entry a round


@dataclass(frozen=True)
class Figure:
    """One line of the table.

    Args:
        name: of the figure.
        group: by which `--only` chooses it.
        what: in a few words.
        unit: of `ours` and `anchor`.
        ours: a number of ours, as `measurement.key`.
        anchor: what it is held against, or None where the number itself is judged.
        goal: for the ratio ours / anchor, or for the number; None where there is none.
        at_most: whether the goal is a ceiling, else a floor.
    """

    name: str
    group: str
    what: str
    unit: str
    ours: str
    anchor: str | None = None
    goal: float | None = None
    at_most: bool = True

    @property
    def needs(self) -> set[str]:
        """The measurements that it is won from."""
        return {path.partition(".")[0] for path in (self.ours, self.anchor) if path}

    @property
    def said_goal(self) -> str:
        """The goal for a reader."""
        return "" if self.goal is None else f"{'<=' if self.at_most else '>='} {self.goal:g}"


FIGURES = (
    Figure("main", "main", "whole main job / tutorial", "s", "main.seconds", "tutorial.total_s", 0.35),
    Figure("main-virgin", "main", "the same, new PREFECT_HOME", "s", "virgin.seconds", "tutorial.total_s"),
    Figure(
        "memory",
        "main",
        "peak memory without server / tutorial",
        "MiB",
        "main.peak_rss_without_server_mib",
        "tutorial.peak_rss_mib",
        0.55,
    ),
    Figure(
        "memory-server",
        "main",
        "its Prefect server / tutorial",
        "MiB",
        "main.peak_rss_server_mib",
        "tutorial.peak_rss_mib",
    ),
    Figure("rerun", "rerun", "unchanged rerun / tutorial", "s", "rerun.seconds", "tutorial.total_s", 0.15),
    Figure(
        "rerun-on-server",
        "rerun",
        "the same, server already up",
        "s",
        "rerun_on_server.seconds",
        "tutorial.total_s",
        0.07,
    ),
    Figure(
        "train",
        "train",
        "training / PyTorch",
        "sequences/s",
        "main.train_sequences_per_s",
        "torch.train_sequences_per_s",
        0.8,
        at_most=False,
    ),
    Figure(
        "train-of-limit",
        "train",
        "training / machine's limit",
        "sequences/s",
        "main.train_sequences_per_s",
        "gemm.train_limit_sequences_per_s",
    ),
    Figure(
        "decode",
        "decode",
        "greedy decoding, all cores / PyTorch's best batch",
        "sequences/s",
        "decode.predict_sequences_per_s",
        "torch.best_decode_sequences_per_s",
        1.3,
        at_most=False,
    ),
    Figure(
        "decode-of-limit",
        "decode",
        "greedy decoding / machine's limit",
        "sequences/s",
        "decode.predict_sequences_per_s",
        "gemm.decode_limit_sequences_per_s",
    ),
    *(
        Figure(
            f"inference-{name.replace('_', '-')}",
            "inference",
            f"{said}, one thread: CPU / PyTorch's",
            "us/row",
            f"our_inference.{name}_cpu_us_per_row",
            f"torch_inference.{case}_cpu_us_per_row",
            goal,
        )
        for name, case, said, goal in (
            ("greedy", "greedy", "6 -> 3, greedy", 1 / 1.3),
            ("one", "one", "one row at a time", 1 / 2.5),
            ("one_graphs", "one", "one row, the graphs alone", 1 / 5),
            ("long", "long", "400 -> 40", None),
            ("words", "words", "50,000 words, greedy", None),
            ("wide", "wide", "512 units", None),
            ("attention", "attention", "attention, 10 -> 8", 1 / 1.3),
        )
    ),
    *(
        Figure(
            f"inference-{name.replace('_', '-')}", "inference", said, "us/row", f"our_inference.{name}_cpu_us_per_row"
        )
        for name, said in (("beam", "6 -> 3, a beam of 5"), ("words_beam", "50,000 words, a beam of 5"))
    ),
    Figure(
        "generate",
        "generate",
        "100,000 pairs stored / tutorial's generating",
        "s",
        "generate.seconds",
        "tutorial.generate_s",
        0.02,
    ),
    Figure(
        "own-data",
        "own-data",
        "1,000,000 text pairs read and encoded, one core",
        "pairs/s",
        "own_data.pairs_per_s",
        goal=500_000,
        at_most=False,
    ),
    Figure(
        "own-lists",
        "own-data",
        "1,000,000 rows of bracketed integers in a CSV read and encoded, one core",
        "pairs/s",
        "own_data.lists_per_s",
        goal=300_000,
        at_most=False,
    ),
    Figure(
        "large-memory",
        "large",
        "training on 10,000,000 text pairs, peak memory / that on 1,000,000",
        "MiB",
        "large.peak_rss_mib",
        "large.few_peak_rss_mib",
        1.1,
    ),
    Figure(
        "large-rate",
        "large",
        "its rate / that on 100,000",
        "sequences/s",
        "large.train_sequences_per_s",
        "large.small_train_sequences_per_s",
        0.95,
        at_most=False,
    ),
    Figure(
        "predict",
        "predict",
        "1,000,000 rows, Parquet to Parquet, once warm / decoding in memory",
        "rows/s",
        "predict.rows_per_s",
        "decode.predict_sequences_per_s",
        0.8,
        at_most=False,
    ),
    Figure(
        "predict-torch",
        "predict",
        "the same / PyTorch's best decoding alone",
        "rows/s",
        "predict.rows_per_s",
        "torch.best_decode_sequences_per_s",
        0.8,
        at_most=False,
    ),
    Figure(
        "predict-beam",
        "predict",
        "the same by a beam of 5 / greedy",
        "rows/s",
        "predict_beam.rows_per_s",
        "predict.rows_per_s",
        0.2,
        at_most=False,
    ),
    Figure(
        "predict-one",
        "predict",
        "one at a time, load_predictor / PyTorch",
        "sequences/s",
        "predict_one.sequences_per_s",
        "torch.one_decode_sequences_per_s",
        2.5,
        at_most=False,
    ),
    Figure(
        "predict-start",
        "predict",
        "start to the first row / to the main job's first training step",
        "s",
        "predict.seconds_to_first_row",
        "main.seconds_to_first_step",
        1.2,
    ),
    Figure(
        "predict-memory",
        "predict-large",
        "10,000,000 rows predicted, peak memory / that of 1,000,000",
        "MiB",
        "predict_large.peak_rss_mib",
        "predict_large.few_peak_rss_mib",
        1.05,
    ),
    Figure(
        "predict-memory-all",
        "predict-large",
        "their peak memory, server included",
        "MiB",
        "predict_large.peak_rss_mib",
        goal=1300,
    ),
    *(
        Figure(
            f"{name}-{problem}-{what}",
            "architectures",
            f"{name.replace('_', ' ')}, {PROBLEMS[problem].n_in} -> {PROBLEMS[problem].n_out}: {said} / PyTorch",
            "sequences/s",
            f"our_{name}.{problem}_{what}",
            f"torch_{name}.{problem}_{what}",
            0.8,
            at_most=False,
        )
        for name, shape in SHAPES.items()
        for problem in shape.problems
        for what, said in (("train", "training"), ("decode", "decoding"))
    ),
    Figure("stream", "stream", "100,000,000 pairs streamed", "pairs/s", "stream.pairs_per_s"),
    Figure(
        "stream-memory",
        "stream",
        "their peak memory / that of 1,000,000",
        "MiB",
        "stream.peak_rss_mib",
        "stream.few_peak_rss_mib",
        1.1,
    ),
    Figure(
        "accuracy",
        "accuracy",
        "sequences right of 10,000, worst of 5 seeds",
        "share",
        "accuracy.worst",
        goal=0.999,
        at_most=False,
    ),
)
GROUPS = tuple(dict.fromkeys(figure.group for figure in FIGURES))
FULL_ONLY = ("stream", "large", "predict-large", "accuracy")
QUIET_CORES = 0.1  # other programs may use so many before a measurement counts as disturbed
DIGITS = {"s": 2, "MiB": 0, "sequences/s": 0, "pairs/s": 0, "rows/s": 0, "share": 4, "us/row": 1}


def evaluate(figure: Figure, results: Results) -> dict[str, Any]:
    """The figure's medians over the rounds; the ratio is taken within each round first."""
    ours = _numbers(figure.ours, results)
    anchors = _numbers(figure.anchor, results) if figure.anchor else []
    ratios = [mine / other for mine, other in zip(ours, anchors, strict=True)] if anchors else []
    ratio = statistics.median(ratios) if ratios else None
    value = statistics.median(ours)
    return {
        "name": figure.name,
        "what": figure.what,
        "unit": figure.unit,
        "ours": value,
        "anchor": statistics.median(anchors) if anchors else None,
        "ratio": ratio,
        "ratios": ratios,
        "goal": figure.said_goal or None,
        "met": _is_met(figure, value if ratio is None else ratio),
        "disturbed": any(is_disturbed(run) for name in figure.needs for run in results[name]),
    }


def is_disturbed(run: dict[str, Any]) -> bool:
    """Whether other programs were at work during a measurement."""
    return run["cores_used_elsewhere"] > QUIET_CORES


def format_table(evaluated: Sequence[dict[str, Any]]) -> str:
    """The figures as text, one line each."""
    rows = [("figure", "ours", "anchor", "unit", "ratio", "rounds", "goal", "met", "")]
    rows += [_row(figure) for figure in evaluated]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join(_line(row, widths) for row in rows)


def _numbers(path: str, results: Results) -> list[float]:
    measurement, _, key = path.partition(".")
    return [result[key] for result in results[measurement]]


def _is_met(figure: Figure, value: float) -> bool | None:
    if figure.goal is None:
        return None
    return value <= figure.goal if figure.at_most else value >= figure.goal


def _row(figure: dict[str, Any]) -> tuple[str, ...]:
    digits = DIGITS[figure["unit"]]
    ratios = figure["ratios"]
    return (
        figure["what"],
        f"{figure['ours']:,.{digits}f}",
        "" if figure["anchor"] is None else f"{figure['anchor']:,.{digits}f}",
        figure["unit"],
        "" if figure["ratio"] is None else f"{figure['ratio']:.4f}",
        f"{min(ratios):.4f}..{max(ratios):.4f}" if len(ratios) > 1 else "",
        figure["goal"] or "",
        {True: "yes", False: "NO", None: ""}[figure["met"]],
        "disturbed" if figure["disturbed"] else "",
    )


def _line(row: Iterable[str], widths: Iterable[int]) -> str:
    cells = (
        cell.rjust(width) if i in (1, 2, 4) else cell.ljust(width)
        for i, (cell, width) in enumerate(zip(row, widths, strict=True))
    )
    return "  ".join(cells).rstrip()
