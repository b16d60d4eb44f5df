"""What no single section can check: rules across fields, and all faults of an experiment at once.

A rule is a pure function over the sections that validated (the others are absent) and gives the faults
it finds, each a sentence with the key that the user would change.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from tasks.seq2seq.data_settings import FilesData, SyntheticData
from tasks.seq2seq.errors import SettingsError
from tasks.seq2seq.model_rules import embeddings_fit, model_settings_are_used, vectors_fit, widths_fit
from tasks.seq2seq.sampling import check_fresh_sources
from tasks.seq2seq.settings import DecodingSettings, EvaluationSettings, Experiment
from tasks.seq2seq.training_rules import training_faults
from tasks.seq2seq.training_settings import TrainingSettings

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


def columns_fit(sections: Sections) -> Iterator[str]:
    """Columns are positions where there is no header; a pair has one a side, and two different ones."""
    data = sections.get("data")
    if not isinstance(data, FilesData):
        return
    for side, columns in (("source", data.source_columns), ("target", data.target_columns)):
        if not data.header and any(isinstance(name, str) for name in columns):
            yield f"data.{side} is {columns}; with data.header = false give the column's position, counted from 0"
        if not data.is_series and len(columns) > 1:
            yield (
                f"data.{side} names {len(columns)} columns {columns}; a pair has one source and one target column, "
                f"several are for a series with data.history and data.horizon"
            )
        if len(set(columns)) < len(columns):
            yield f"data.{side} names a column twice: {columns}"
    yield from _weight_faults(data)
    if not data.is_series and data.source_columns == data.target_columns:
        yield f"data.target is {data.target_columns[0]!r}, the source column too; name two different columns"


def _weight_faults(data: FilesData) -> Iterator[str]:
    weight = data.weight_column
    if weight is None:
        return
    if data.is_series:
        yield f"data.weight is {weight!r}; it is for pairs, the windows of a series all count the same"
    if not data.header and isinstance(weight, str):
        yield f"data.weight is {weight!r}; with data.header = false give the column's position, counted from 0"
    if weight in (*data.source_columns, *data.target_columns):
        yield f"data.weight is {weight!r}, a source or target column too; name a column of numbers"


def series_fits(sections: Sections) -> Iterator[str]:
    """A series has a history and a horizon, and values that can be cut into windows."""
    data = sections.get("data")
    if not isinstance(data, FilesData):
        return
    if (data.history is None) is not (data.horizon is None):
        given, missing = ("history", "horizon") if data.horizon is None else ("horizon", "history")
        yield f"data.{given} is set and data.{missing} is not; a series needs both"
    if not data.is_series:
        yield from (
            f"data.{name} is {getattr(data, name)}; it is for a series with data.history and data.horizon"
            for name in ("stride", "season", "relative_to_last")
            if getattr(data, name) != FilesData.model_fields[name].default
        )
        return
    if data.relative_to_last and {data.source_encoding, data.target_encoding} != {"vectors"}:
        yield "data.relative_to_last is set, but source and target are not both vectors"
    for side, columns in (("source", data.source_columns), ("target", data.target_columns)):
        encoding = getattr(data, f"{side}_encoding")
        if encoding not in ("integers", "vectors"):
            yield f"data.{side}_encoding is {encoding!r}; the time steps of a series are integers or vectors"
        if encoding == "integers" and len(columns) > 1:
            yield f"data.{side} names {len(columns)} columns; a series of integers has one, vectors may have several"


def encodings_fit(sections: Sections) -> Iterator[str]:
    """Settings for text are for text, and the loss and the scores fit what is predicted."""
    data, training, evaluation = (sections.get(name) for name in ("data", "training", "evaluation"))
    files = isinstance(data, FilesData)
    if files:
        for side in ("source", "target"):
            encoding = getattr(data, f"{side}_encoding")
            if getattr(data, f"{side}_lowercase") and encoding not in ("characters", "words"):
                yield f"data.{side}_lowercase is set, but data.{side}_encoding is {encoding!r}, which has no case"
            if getattr(data, f"empty_{side}") == "keep" and encoding == "vectors":
                yield f'data.empty_{side} is "keep", but data.{side}_encoding is "vectors", which needs a step'
    vectors = files and data.target_encoding == "vectors"  # type: ignore[union-attr]
    if isinstance(training, TrainingSettings) and data is not None and training.loss is not None:
        fitting = VECTOR_LOSSES if vectors else TOKEN_LOSSES
        if training.loss not in fitting:
            yield (
                f"training.loss is {training.loss!r}, which does not fit a target of "
                f"{'vectors' if vectors else 'tokens'}; choose {' or '.join(fitting)}"
            )
    if isinstance(evaluation, EvaluationSettings) and vectors:
        yield from (
            f"evaluation.{name} is set, but the target is made of vectors; it is for words, characters and integers"
            for name in ("bleu", "chrf")
            if getattr(evaluation, name)
        )


def shared_vocabulary_fits(sections: Sections) -> Iterator[str]:
    """One vocabulary is of symbols of one kind, written alike."""
    data = sections.get("data")
    if not isinstance(data, FilesData) or not data.shared_vocabulary:
        return
    encodings = data.source_encoding, data.target_encoding
    if "vectors" in encodings:
        yield "data.shared_vocabulary is set, but vectors have no vocabulary; it is for integers, characters and words"
    elif encodings[0] != encodings[1]:
        yield (
            f"data.shared_vocabulary is set, but data.source_encoding is {encodings[0]!r} and data.target_encoding "
            f"{encodings[1]!r}; make them the same, or leave it out"
        )
    if data.source_lowercase is not data.target_lowercase:
        yield (
            f"data.shared_vocabulary is set, but data.source_lowercase is {str(data.source_lowercase).lower()} and "
            f"data.target_lowercase {str(data.target_lowercase).lower()}; make them the same, or leave it out"
        )


_SCHEDULES_OF = {
    "sampling_probability": ("constant", "linear"),
    "sampling_steps": ("linear",),
    "sampling_k": ("exponential", "inverse_sigmoid"),
}


def sampling_fits(sections: Sections) -> Iterator[str]:
    """Settings of scheduled sampling are for the schedule that is chosen, and k is one that its formula takes."""
    training = sections.get("training")
    if not isinstance(training, TrainingSettings):
        return
    for name, schedules in _SCHEDULES_OF.items():
        value = getattr(training, name)
        if value is not None and training.sampling not in schedules:
            said = " or ".join(f'"{schedule}"' for schedule in schedules)
            yield f'training.{name} is {value:g}, but training.sampling is "{training.sampling}"; it is for {said}'
    k = training.sampling_k
    if k is None:
        return
    if training.sampling == "exponential" and k >= 1:
        yield f"training.sampling_k is {k:g}; of exponential it is below 1, as 1 - k^i grows only then"
    if training.sampling == "inverse_sigmoid" and k < 1:
        yield f"training.sampling_k is {k:g}; of inverse_sigmoid it is 1 or more"


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


_METHOD_OF = {"beam_width": "beam", "length_penalty": "beam", "n_best": "beam"} | dict.fromkeys(
    ("temperature", "top_k", "seed"), "sample"
)


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
    if not is_tokens and decoding.method != "greedy":
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


TOKEN_LOSSES = ("sparse_categorical_crossentropy",)
VECTOR_LOSSES = ("mean_squared_error", "mean_absolute_error", "huber", "cosine_similarity")

RULES: tuple[Rule, ...] = (
    dimensions_agree,
    fresh_sources_suffice,
    splits_leave_training_data,
    columns_fit,
    series_fits,
    encodings_fit,
    shared_vocabulary_fits,
    sampling_fits,
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
        return f"{key} is no setting{nearest(path[-1], known)}; known here are {', '.join(known)}"
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


def check_section(model: type[BaseModel], raw: Mapping[str, Any]) -> BaseModel:
    """`raw` as one settings model, with faults told as `check_experiment` tells them."""
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        raise SettingsError("\n".join(section_faults(error, model))) from error
