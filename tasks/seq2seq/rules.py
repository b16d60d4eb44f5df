"""What no single section can check: rules across fields, and all faults of an experiment at once.

A rule is a pure function over the sections that validated (the others are absent) and gives the faults
it finds, each a sentence with the key that the user would change.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from tasks.seq2seq.errors import SettingsError
from tasks.seq2seq.sampling import check_fresh_sources
from tasks.seq2seq.settings import EvaluationSettings, Experiment, FilesData, SyntheticData

Sections = Mapping[str, Any]
Rule = Callable[[Sections], Iterator[str]]


def dimensions_agree(sections: Sections) -> Iterator[str]:
    """The problem's lengths and cardinality fit each other."""
    data = sections.get("data")
    if isinstance(data, SyntheticData):
        try:
            _ = data.dimensions
        except SettingsError as error:
            yield str(error)


def fresh_sources_suffice(sections: Sections) -> Iterator[str]:
    """The problem has enough different sources for a fresh set that training never sees."""
    data, evaluation = sections.get("data"), sections.get("evaluation")
    if isinstance(data, SyntheticData) and isinstance(evaluation, EvaluationSettings):
        if any(dimensions_agree(sections)):
            return
        try:
            check_fresh_sources(data.problem, data.dimensions, evaluation.n_samples)
        except SettingsError as error:
            yield str(error)


def splits_leave_training_data(sections: Sections) -> Iterator[str]:
    """The shares of validation and test leave something to train on."""
    data = sections.get("data")
    if isinstance(data, FilesData):
        shares = {
            "data.validation_fraction": 0.0 if data.validation else data.validation_fraction,
            "data.test_fraction": 0.0 if data.test else data.test_fraction,
        }
        if sum(shares.values()) >= 1:
            yield (
                f"data.validation_fraction {data.validation_fraction} and data.test_fraction "
                f"{data.test_fraction} leave nothing to train on; their sum must be below 1"
            )


def columns_differ(sections: Sections) -> Iterator[str]:
    """Source and target are two columns."""
    data = sections.get("data")
    if isinstance(data, FilesData) and data.source == data.target:
        yield f"data.target is {data.target!r}, the source column too; name two different columns"


RULES: tuple[Rule, ...] = (
    dimensions_agree,
    fresh_sources_suffice,
    splits_leave_training_data,
    columns_differ,
)


def check_experiment(raw: Mapping[str, Any]) -> Experiment:
    """The experiment that `raw` describes.

    Args:
        raw: nested dictionaries as TOML, flags and the environment give them.

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
        faults += [_fault(detail) for detail in error.errors()]
        sections = _sections_that_validate(raw)
    for rule in RULES:
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


def _fault(detail: Any) -> str:  # noqa: ANN401 - pydantic's ErrorDetails
    # A discriminated union puts its tag into the location: data.synthetic.n_in is data.n_in to the user.
    path = [str(part) for part in detail["loc"]]
    tagged = len(path) > 1 and path[0] == "data" and path[1] in ("synthetic", "files")
    tag = path.pop(1) if tagged else None
    key = ".".join(path)
    if detail["type"] == "extra_forbidden":
        known = _known_keys(path[:-1], tag)
        return f"{key} is no setting{nearest(path[-1], known)}; known here are {', '.join(known)}"
    if detail["type"] == "missing":
        return f"{key} is required"
    return f"{key}: {detail['msg']} (got {detail['input']!r})"


def _known_keys(path: list[str], tag: str | None) -> list[str]:
    """The settings of the section that `path` leads to; `tag` tells which kind of data it is."""
    sections: dict[str, type[BaseModel]] = {"synthetic": SyntheticData, "files": FilesData}
    model: Any = Experiment
    if path:
        model = sections[tag] if tag else Experiment.model_fields[path[0]].annotation
    return list(getattr(model, "model_fields", ()))


def nearest(word: str, known: list[str]) -> str:
    """`, did you mean ...?` where one of `known` is close to `word`, else nothing."""
    close = difflib.get_close_matches(word, known, n=1)
    return f", did you mean {close[0]!r}?" if close else ""


def check_section(model: type[BaseModel], raw: Mapping[str, Any]) -> BaseModel:
    """`raw` as one settings model, with faults told as `check_experiment` tells them."""
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        raise SettingsError("\n".join(_fault(detail) for detail in error.errors())) from error
