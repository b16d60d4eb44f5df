"""How pages write numbers, and what they call the fields that files and settings know by short names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tasks.seq2seq.metrics.metric import Kind
from tasks.seq2seq.metrics.table import metrics_of

_NAMES = {
    "n_evaluated": "sequences evaluated",
    "n_correct": "right as a whole",
    "mae": "mean absolute error",
    "rmse": "root mean squared error",
    "smape": "symmetric percentage error (sMAPE)",
    "mase": "scaled error (MASE)",
    "bleu": "BLEU",
    "chrf": "chrF",
    "relative_mae": "error relative to the best simple forecast",
    "baseline": "best simple forecast",
    "baseline_mae": "errors of the simple forecasts",
    "pinball_loss": "pinball loss",
    "weighted_quantile_loss": "weighted quantile loss",
    "interval_coverage": "interval coverage",
    "interval_width": "interval width",
    "majority_baseline": "always the commonest answer",
    "rows_with_unknown": "sequences with unknown symbols",
    "rows_outside_range": "sequences outside the training range",
    "teacher_forced_token_accuracy": "teacher-forced token accuracy",
    "outside_range": "values outside the training range",
}
_SHARES = ("accuracy", "majority_baseline")  # how the names of shares in [0, 1] end
_SETTING = re.compile(r"; with `[^`]*`")  # that turns a metric on
_WHOLE_NUMBERS = re.compile(r"(?<![\w.,])[0-9]{4,15}(?![\w.]*\w)")
_MINUTE, _HOUR = 60, 3600
_MEANINGS = {
    "rows_with_unknown": "how many held-out sources have a symbol that training has not seen",
    "rows_outside_range": "how many held-out sources have values far outside the range of the training data",
}


def name_of_field(name: str) -> str:
    """What a page calls a metric or another field."""
    if name.endswith("_interval"):
        return f"95 % interval of the {name_of_field(name.removesuffix('_interval'))}"
    return _NAMES.get(name, name.replace("_", " "))


def as_on_pages(sentence: str) -> str:
    """A sentence in which metrics have the names, and whole numbers the commas, that pages give them."""
    for name in sorted(_NAMES, key=len, reverse=True):
        if "_" in name:
            sentence = sentence.replace(name, _NAMES[name])
    return _WHOLE_NUMBERS.sub(lambda found: f"{int(found[0]):,}", sentence)


def meanings_of(kind: Kind) -> dict[str, str]:
    """What each score of such targets says, as a sentence."""
    meanings = {**_MEANINGS, **{metric.name: metric.meaning for metric in metrics_of(kind)}}
    return {name: _as_sentence(meaning) for name, meaning in meanings.items()}


def _as_sentence(meaning: str) -> str:
    for short in sorted((name for name in _NAMES if f"`{name}`" in meaning), key=len, reverse=True):
        meaning = meaning.replace(f"`{short}`", f"the {_NAMES[short]}")
    meaning = _SETTING.sub("", meaning).replace("; null without", "; none without").replace("; null of", "; none of")
    return f"{meaning[:1].upper()}{meaning[1:]}."


def write_value(value: Any) -> str:  # noqa: ANN401 - any value of JSON
    """A value as a person reads it."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 1e4 else f"{value:,.0f}"  # noqa: PLR2004 - four digits
    if isinstance(value, list | tuple):
        return ", ".join(map(write_value, value))
    return str(value)


def write_percent(share: float) -> str:
    """A share in [0, 1]."""
    return f"{100 * share:.2f} %"


def write_score(name: str, value: Any) -> str:  # noqa: ANN401 - the metric's
    """A score: shares in percent, an interval by its two ends, several each by its name."""
    if name.endswith("_interval") and value is not None:
        low, high = (write_score(name.removesuffix("_interval"), end) for end in value)
        return f"{low} to {high}"
    if isinstance(value, Mapping):
        return ", ".join(f"{name_of_field(which)}: {write_score(name, one)}" for which, one in value.items())
    if isinstance(value, str):
        return name_of_field(value)
    if isinstance(value, float) and name.endswith(_SHARES):
        return write_percent(value)
    return write_value(value)


def write_duration(seconds: float) -> str:
    """How long something took, in the unit that fits."""
    if seconds < 1:
        return f"{1000 * seconds:.3g} ms"
    if seconds < _MINUTE:
        return f"{seconds:.1f} s"
    hours, minutes, rest = int(seconds) // _HOUR, int(seconds) % _HOUR // _MINUTE, int(seconds) % _MINUTE
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def write_size(n: int) -> str:
    """A number of bytes, in the unit that fits."""
    for limit, unit in ((1e3, "bytes"), (1e6, "KB"), (1e9, "MB")):
        if n < limit:
            return f"{n:,} {unit}" if unit == "bytes" else f"{1e3 * n / limit:.3g} {unit}"
    return f"{n / 1e9:,.3g} GB"


def write_count(n: int, one: str, several: str = "") -> str:
    """How many there are of something."""
    return f"{n:,} {one if n == 1 else several or f'{one}s'}"


def join_words(words: Sequence[str]) -> str:
    """Words as a sentence lists them."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}" if words else ""


def flatten(content: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every value of nested tables with its dotted name; those that are None are left out."""
    for name, value in content.items():
        if isinstance(value, Mapping):
            yield from flatten(value, f"{prefix}{name}.")
        elif value is not None:
            yield f"{prefix}{name}", value
