"""What no single section can check: rules across fields, and all faults of an experiment at once.

A rule is a pure function over the sections that validated (the others are absent) and gives the faults
it finds, each a sentence with the key that the user would change.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from tasks.seq2seq.errors import SettingsError
from tasks.seq2seq.settings.data import FilesData, SyntheticData
from tasks.seq2seq.settings.data_rules import (
    columns_fit,
    dialect_fits,
    dimensions_agree,
    encodings_fit,
    fresh_sources_suffice,
    shared_vocabulary_fits,
    splits_leave_training_data,
)
from tasks.seq2seq.settings.decoding import DECODING_METHODS, DecodingSettings
from tasks.seq2seq.settings.experiment import Experiment
from tasks.seq2seq.settings.model_rules import embeddings_fit, model_settings_are_used, vectors_fit, widths_fit
from tasks.seq2seq.settings.section import Sections
from tasks.seq2seq.settings.series_rules import backtest_fits, series_fits
from tasks.seq2seq.settings.training import TrainingSettings
from tasks.seq2seq.settings.training_rules import training_faults

Rule = Callable[[Sections], Iterator[str]]
SomeModel = TypeVar("SomeModel", bound=BaseModel)


def decoding_fits(sections: Sections) -> Iterator[str]:
    """Settings of a decoding method are for that method, and methods for tokens are for tokens."""
    data, decoding = sections.get("data"), sections.get("decoding")
    if not isinstance(decoding, DecodingSettings):
        return
    yield from decoding_faults(
        decoding,
        has_end=None if data is None else isinstance(data, FilesData) and data.target_encoding != "vectors",
        is_tokens=not isinstance(data, FilesData) or data.target_encoding != "vectors",
    )


_METHOD_OF = {setting: method for method, rule in DECODING_METHODS.items() for setting in rule.settings}


def decoding_faults(decoding: DecodingSettings, *, has_end: bool | None, is_tokens: bool) -> Iterator[str]:
    """What keeps these settings from being used.

    Args:
        decoding: the settings.
        has_end: whether predictions of the model end by themselves; None is not known yet.
        is_tokens: whether the model predicts tokens, not vectors.
    """
    for name, method in _METHOD_OF.items():
        value = getattr(decoding, name)
        if decoding.method != method and value != DecodingSettings.model_fields[name].default:
            yield f'decoding.{name} is {value}, but decoding.method is "{decoding.method}"; it is for "{method}"'
    if decoding.method == "beam" and decoding.n_best > decoding.beam_width:
        yield f"decoding.n_best is {decoding.n_best}, more than decoding.beam_width, {decoding.beam_width}"
    if not is_tokens and not DECODING_METHODS[decoding.method].for_vectors:
        yield f'decoding.method is "{decoding.method}", but the target is made of vectors, which are not chosen among'
    if has_end is False and decoding.max_length is not None:
        yield (
            f"decoding.max_length is {decoding.max_length}, but predictions of this data are of one length; it is for "
            f"tokens of files, which end by themselves"
        )


def training_fits(sections: Sections) -> Iterator[str]:
    """Settings of training fit each other and the data."""
    training = sections.get("training")
    if isinstance(training, TrainingSettings):
        yield from training_faults(training, sections.get("data"))


RULES: tuple[Rule, ...] = (
    dimensions_agree,
    fresh_sources_suffice,
    splits_leave_training_data,
    columns_fit,
    dialect_fits,
    series_fits,
    backtest_fits,
    encodings_fit,
    shared_vocabulary_fits,
    decoding_fits,
    training_fits,
    widths_fit,
    model_settings_are_used,
    embeddings_fit,
    vectors_fit,
)


def check_experiment(raw: Mapping[str, Any], also: Iterable[Rule] = ()) -> Experiment:
    """The experiment that `raw` describes.

    Args:
        raw: nested dictionaries as TOML, flags and the environment give them.
        also: rules that look at files, which the domain does not know; their faults are told with the others.

    Raises:
        SettingsError: naming every fault, each with its key.
    """
    faults: list[str] = []
    sections: dict[str, Any] = {}
    try:
        experiment = Experiment.model_validate(raw)
        sections = {name: getattr(experiment, name) for name in Experiment.model_fields}
    except ValidationError as error:
        experiment = None
        faults += section_faults(error, Experiment)
        sections = _sections_that_validate(raw)
    for rule in (*RULES, *also):
        faults += rule(sections)
    if faults or experiment is None:
        raise SettingsError("\n".join(faults))
    return experiment


def _sections_that_validate(raw: Mapping[str, Any]) -> dict[str, Any]:
    sections = {}
    for name in Experiment.model_fields:
        try:
            only = Experiment.model_validate({name: raw[name]} if name in raw else {})
        except ValidationError:
            continue
        sections[name] = getattr(only, name)
    return sections


def section_faults(error: ValidationError, model: type[BaseModel]) -> list[str]:
    """What pydantic found in raw settings of `model`, each a sentence with the key."""
    return [_fault(detail, model) for detail in error.errors()]


def _fault(detail: Any, root: type[BaseModel]) -> str:  # noqa: ANN401 - pydantic's ErrorDetails
    # A discriminated union puts its tag into the location: data.synthetic.n_in is data.n_in to the user.
    path = [str(part) for part in detail["loc"]]
    tagged = len(path) > 1 and path[0] == "data" and path[1] in ("synthetic", "files")
    tag = path.pop(1) if tagged else None
    key = ".".join(path)
    if detail["type"] == "extra_forbidden":
        known = _known_keys(root, path[:-1], tag)
        return f"{key} is not a setting{nearest(path[-1], known)}; known here are {', '.join(known)}"
    if detail["type"] == "missing":
        return f"{key} is required"
    return f"{key}: {detail['msg']} (got {detail['input']!r})"


def _known_keys(root: type[BaseModel], path: list[str], tag: str | None) -> list[str]:
    """The settings of the section that `path` leads to; `tag` tells which kind of data it is."""
    sections: dict[str, type[BaseModel]] = {"synthetic": SyntheticData, "files": FilesData}
    model: Any = root
    if path:
        model = sections[tag] if tag else root.model_fields[path[0]].annotation
    return list(getattr(model, "model_fields", ()))


def nearest(word: str, known: list[str]) -> str:
    """`, did you mean ...?` where one of `known` is close to `word`, else nothing."""
    close = difflib.get_close_matches(word, known, n=1)
    return f", did you mean {close[0]!r}?" if close else ""


def check_section(model: type[SomeModel], raw: Mapping[str, Any]) -> SomeModel:
    """`raw` as one settings model, with faults told as `check_experiment` tells them."""
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        raise SettingsError("\n".join(section_faults(error, model))) from error
