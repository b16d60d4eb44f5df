"""What settings of data ask of one another, and of what is done with the data; see `tasks.seq2seq.settings.rules`."""

from __future__ import annotations

from collections.abc import Iterator

from tasks.seq2seq.data.synthetic import check_fresh_sources
from tasks.seq2seq.errors import SettingsError
from tasks.seq2seq.settings.data import FilesData, SyntheticData
from tasks.seq2seq.settings.dialect import dialect_faults
from tasks.seq2seq.settings.evaluation import TOKEN_SCORES, EvaluationSettings
from tasks.seq2seq.settings.section import Sections
from tasks.seq2seq.settings.training import TrainingSettings

TOKEN_LOSSES = ("sparse_categorical_crossentropy",)
VECTOR_LOSSES = ("mean_squared_error", "mean_absolute_error", "huber", "cosine_similarity", "quantile")


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


def dialect_fits(sections: Sections) -> Iterator[str]:
    """The marks of a dialect differ from one another, and its encoding is one."""
    data = sections.get("data")
    if isinstance(data, FilesData):
        yield from dialect_faults(data.dialect, "data.")


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
            for name in TOKEN_SCORES
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
