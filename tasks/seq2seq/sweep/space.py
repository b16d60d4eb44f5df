"""The space of a sweep: which settings are tried, with which values, held against the experiment's own fields."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard, get_args

from pydantic import ValidationError

from tasks.seq2seq.settings.decoding import DecodingSettings
from tasks.seq2seq.settings.experiment import Experiment
from tasks.seq2seq.settings.model import ModelSettings
from tasks.seq2seq.settings.rules import nearest
from tasks.seq2seq.settings.section import Section
from tasks.seq2seq.settings.training import TrainingSettings

# Those that change neither the pairs by which trials are ranked nor what is asked of a model.
SWEPT: dict[str, type[Section]] = {"model": ModelSettings, "training": TrainingSettings, "decoding": DecodingSettings}
_RANGE = {"low", "high", "log"}
_EXPECTED = "a list of choices, or low and high (and log = true)"


@dataclass(frozen=True)
class Choice:
    """A setting that is one of several values."""

    setting: str
    values: tuple[Any, ...]


@dataclass(frozen=True)
class Range:
    """A setting that lies between two numbers, both of them included; with `log`, its logarithm is drawn evenly."""

    setting: str
    low: float
    high: float
    log: bool
    is_whole: bool


Space = tuple[Choice | Range, ...]


def read_space(raw: Mapping[str, Any]) -> tuple[Space, list[str]]:
    """The space that `[sweep.space]` describes, as far as it can be read, and all that is wrong with it.

    Args:
        raw: values to try by the names of settings, `{"model.units": [64, 128]}` or `{"model": {"units": [64, 128]}}`.
    """
    space: list[Choice | Range] = []
    faults: list[str] = []
    for setting, values in _by_setting(raw):
        found = list(_setting_faults(setting)) or list(_faults(setting, values))
        faults += [f"sweep.space.{fault}" for fault in found]
        if not found:
            space.append(_dimension(setting, values))
    names = [one.setting for one in space]
    faults += [f"sweep.space.{name} is there twice" for name in dict.fromkeys(names) if names.count(name) > 1]
    return tuple(space), faults


def _by_setting(raw: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The settings by their whole names: TOML reads a key with dots as a table in a table."""
    for name, values in raw.items():
        if name in Experiment.model_fields and isinstance(values, Mapping) and not values.keys() & _RANGE:
            yield from ((f"{name}.{setting}", one) for setting, one in values.items())
        else:
            yield name, values


def _setting_faults(setting: str) -> Iterator[str]:
    section, _, name = setting.partition(".")
    if section in SWEPT and name in SWEPT[section].model_fields:
        if Path in _kinds_of(setting):
            yield f"{setting} is a path, which is not tried; set it for all trials"
        return
    if section in Experiment.model_fields and section not in SWEPT:
        yield (
            f"{setting} cannot be tried: trials are ranked on the same pairs, with the same proof; a sweep is over "
            f"{', '.join(f'{one}.*' for one in SWEPT)}"
        )
        return
    known = [f"{one}.{field}" for one, model in SWEPT.items() for field in model.model_fields]
    yield f"{setting} is not a setting{nearest(setting, known)}; docs/settings.md lists all"


def _faults(setting: str, values: Any) -> Iterator[str]:  # noqa: ANN401 - whatever the user wrote
    if isinstance(values, list | tuple):
        yield from _choice_faults(setting, values)
    elif isinstance(values, Mapping):
        yield from _range_faults(setting, values)
    else:
        yield f"{setting} is {values!r}; expected {_EXPECTED}"


def _choice_faults(setting: str, values: list[Any] | tuple[Any, ...]) -> Iterator[str]:
    if not values:
        yield f"{setting} has no choices; expected at least one value"
    for i, value in enumerate(values):
        if value in values[:i]:
            yield f"{setting} has the choice {value!r} twice"
        yield from _value_faults(setting, value)


def _range_faults(setting: str, values: Mapping[str, Any]) -> Iterator[str]:
    if unknown := sorted(values.keys() - _RANGE):
        yield f"{setting} has {', '.join(unknown)}; expected {_EXPECTED}"
        return
    low, high, log = (values.get(name, default) for name, default in (("low", None), ("high", None), ("log", False)))
    if not _is_number(low) or not _is_number(high) or not isinstance(log, bool):
        yield f"{setting} is {dict(values)!r}; expected {_EXPECTED}"
        return
    if not {int, float} & _kinds_of(setting):
        yield f"{setting} is not a number, of which a range can be drawn; list its choices"
        return
    if low >= high:
        yield f"{setting} goes from {low:g} to {high:g}; low must be below high"
    if log and low <= 0:
        yield f"{setting} has log = true and low = {low:g}, which has no logarithm; give a low above 0"
    for value in (low, high):
        yield from _value_faults(setting, value)


def _is_number(value: Any) -> TypeGuard[float]:  # noqa: ANN401 - whatever the user wrote
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < float("inf")


def _value_faults(setting: str, value: Any) -> Iterator[str]:  # noqa: ANN401 - whatever the user wrote
    """What the experiment's own field has against a value."""
    section, _, name = setting.partition(".")
    try:
        SWEPT[section].model_validate({name: value})
    except ValidationError as error:
        yield from (
            f"{setting}: {detail['msg']} (got {value!r})" for detail in error.errors() if detail["loc"][:1] == (name,)
        )


def _kinds_of(setting: str) -> set[Any]:
    """The types that a setting may have."""
    section, _, name = setting.partition(".")
    annotation = SWEPT[section].model_fields[name].annotation
    return {annotation, *get_args(annotation)}


def _dimension(setting: str, values: Any) -> Choice | Range:  # noqa: ANN401 - checked before
    if isinstance(values, list | tuple):
        return Choice(setting, tuple(values))
    is_whole = float not in _kinds_of(setting)
    return Range(setting, values["low"], values["high"], values.get("log", False), is_whole)
