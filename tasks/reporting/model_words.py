"""What the page of a model says in sentences: what was learned from what, how well, and whether that is good."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from markupsafe import Markup, escape

from tasks.reporting.wording import meanings_of, name_of_field, write_count, write_percent, write_score
from tasks.seq2seq.metrics.baselines import BASELINES
from tasks.seq2seq.metrics.table import leading_metric
from tasks.seq2seq.settings.data import SyntheticData
from tasks.seq2seq.settings.experiment import Experiment
from tasks.seq2seq.settings.where import name_of
from tasks.seq2seq.shown import shown
from tasks.storage.artifacts.dataset import DatasetFacts

MAX_EXAMPLE = 240  # characters of a text that are shown
FORCED_GAP = 0.1  # between teacher-forced and free-running accuracy, from which it is worth a word
Row = dict[str, Any]


def learned(experiment: Experiment, facts: DatasetFacts, history: Mapping[str, Any]) -> str:
    """What was learned from what."""
    data = experiment.data
    source, target = (f"{side.encoding}" for side in (facts.source, facts.target))
    rows = f"{facts.train_rows:,}"
    if isinstance(data, SyntheticData):
        what = f"Learned the problem {data.problem!r} from {rows} generated pairs"
    elif data.is_series:
        steps = f"{data.horizon} steps from {data.history}"
        what = f"Learned to forecast {steps}, from {rows} windows of {name_of(data.train)}"
    else:
        what = f"Learned to turn {source} into {target}, from {rows} pairs of {name_of(data.train)}"
    epochs = write_count(len(history["epochs"]), "epoch")
    best = history["best_epoch"]
    kept = "" if best == len(history["epochs"]) else f", of which the weights of epoch {best} are kept"
    return f"{what}, in {epochs}{kept}."


def judgement(scores: Mapping[str, Any]) -> Iterator[str]:
    """Whether that is good: against the answer of something simple, and how much of it is the model's own doing."""
    if scores["n_evaluated"]:
        yield _AGAINST_THE_SIMPLE[leading_metric(scores).name](scores)
        yield from _forced_gap(scores)


def _against_the_commonest(scores: Mapping[str, Any]) -> str:
    baseline = scores["majority_baseline"]
    low, high = scores["sequence_accuracy_interval"]
    found = "That is better" if low > baseline else "That is worse" if high < baseline else "That cannot be told apart"
    than = "from" if low <= baseline <= high else "than"
    return f"{found} {than} always giving the commonest answer, which is right in {write_percent(baseline)}."


def _against_the_simple_forecasts(scores: Mapping[str, Any]) -> str:
    ratio, best = scores["relative_mae"], scores["baseline"]
    if best is None:
        return "There is no simple forecast to compare with."
    if ratio is None:
        return f"No forecast can be better than {BASELINES[best]}, which makes no error here."
    found = "less" if ratio < 1 else "no less"
    return f"Below 1 is better: on average it errs {found} than {BASELINES[best]} would."


def _against_the_commonest_vector(scores: Mapping[str, Any]) -> str:
    baseline, found = scores["majority_baseline"], scores["nearest_neighbour_accuracy"]
    verdict = "That is better than" if found > baseline else "That is no better than"
    return f"{verdict} always giving the commonest answer, which is right in {write_percent(baseline)}."


_AGAINST_THE_SIMPLE = {
    "sequence_accuracy": _against_the_commonest,
    "relative_mae": _against_the_simple_forecasts,
    "nearest_neighbour_accuracy": _against_the_commonest_vector,
}


def _forced_gap(scores: Mapping[str, Any]) -> Iterator[str]:
    forced, free = (scores.get(name) for name in ("teacher_forced_token_accuracy", "token_accuracy"))
    if forced is not None and free is not None and forced - free > FORCED_GAP:
        yield (
            f"Where each step is given the truth, {write_percent(forced)} of the tokens are right, and "
            f"{write_percent(free)} where it is given what was predicted before: one mistake leads to the next."
        )


def score_rows(scores: Mapping[str, Any], facts: DatasetFacts) -> Iterator[Row]:
    """Every single score with what it says; those by step and by position are in the pictures."""
    meanings = meanings_of("vectors" if facts.target.features else "tokens")
    without = "rows_with_unknown" if facts.source.features else "rows_outside_range"
    for name, value in scores.items():
        is_one = isinstance(value, int | float | str) or (name.endswith("_interval") and value)
        if (is_one or _is_by_name(value)) and name != without:
            yield {"name": name_of_field(name), "value": write_score(name, value), "meaning": meanings.get(name, "")}


def _is_by_name(value: object) -> bool:
    """Whether it is a number for each of several intervals or simple forecasts, and not lists by step."""
    return isinstance(value, Mapping) and all(isinstance(one, int | float) for one in value.values())


def example_groups(examples: Sequence[Mapping[str, Any]]) -> list[Row]:
    """The examples, those that are wrong first where it is known, with the differences marked."""
    if not examples:
        return []
    if any(example["correct"] is None for example in examples):
        return [_group(f"The first {len(examples)} held out", examples)]
    right = [example for example in examples if example["correct"]]
    wrong = [example for example in examples if not example["correct"]]
    of = f"of the first {len(examples)} held out"
    groups = (_group(f"Wrong: {len(wrong)} {of}", wrong), _group(f"Right: {len(right)} {of}", right))
    return [group for group in groups if group["examples"]]


def _group(title: str, examples: Sequence[Mapping[str, Any]]) -> Row:
    return {"title": title, "examples": [_example(example) for example in examples]}


def _example(example: Mapping[str, Any]) -> Row:
    texts = [_cut(example["text"][name]) for name in ("source", "expected", "predicted")]
    source, expected, predicted = texts
    if example["correct"] is False:
        expected, predicted = mark_differences(expected, predicted)
    return {"source": source or "(nothing)", "expected": expected or "(nothing)", "predicted": predicted or "(nothing)"}


def _cut(text: str) -> str:
    return text if len(text) <= MAX_EXAMPLE else f"{text[: MAX_EXAMPLE - 1]}…"


def mark_differences(expected: str, predicted: str) -> tuple[Markup, Markup]:
    """Both texts with what only one of them has marked: numbers of a list, words where there are any, or characters."""
    is_list = expected.startswith("[") and predicted.startswith("[")
    between = ", " if is_list else " " if " " in expected + predicted else ""
    first_parts, second_parts = (
        _split(text.strip("[]") if is_list else text, between) for text in (expected, predicted)
    )
    matcher = difflib.SequenceMatcher(None, first_parts, second_parts, autojunk=False)
    marked: tuple[list[Markup], list[Markup]] = ([], [])
    for kind, first, last, start, end in matcher.get_opcodes():
        for side, some in ((0, first_parts[first:last]), (1, second_parts[start:end])):
            written = escape(shown(between.join(some)))
            if some:
                marked[side].append(written if kind == "equal" else Markup("<mark>{}</mark>").format(written))
    left, right = (Markup(between).join(side) for side in marked)  # noqa: S704 - a constant
    frame = Markup("[{}]") if is_list else Markup("{}")
    return frame.format(left), frame.format(right)


def _split(text: str, between: str) -> list[str]:
    return text.split(between) if between else list(text)
