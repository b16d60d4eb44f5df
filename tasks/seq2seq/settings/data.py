"""Settings of `[data]`: a problem that is generated, or the user's own files."""

from __future__ import annotations

import codecs
from dataclasses import fields
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator

from tasks.seq2seq.data.problems import PROBLEMS, Dimensions, resolve_dimensions
from tasks.seq2seq.settings.dialect import Dialect
from tasks.seq2seq.settings.section import ColumnNames, Fraction, Section
from tasks.seq2seq.settings.series import SeriesSettings
from tasks.seq2seq.settings.where import Where

# Of users' files; the rows of `tasks.storage.readers.formats`.
FORMATS = (
    "parquet",
    "arrow",
    "csv",
    "tsv",
    "jsonl",
    "npz",
)

if TYPE_CHECKING:
    ProblemName = str
    FormatName = str
else:
    ProblemName = Literal[*PROBLEMS]
    FormatName = Literal[*FORMATS]


class SyntheticData(Section):
    """A problem whose pairs are generated."""

    kind: Literal["synthetic"] = "synthetic"
    problem: ProblemName = Field(
        "reverse_first", description="; ".join(f"{name}: {p.description}" for name, p in PROBLEMS.items())
    )
    n_in: int | None = Field(None, ge=1, le=10_000, description="source length, time steps (6; addition 7)")
    n_out: int | None = Field(
        None, ge=1, le=10_000, description="target length, time steps (3; most problems derive it)"
    )
    cardinality: int | None = Field(
        None, ge=2, le=1_000_000, description="content symbols 1..cardinality, 0 is reserved (50)"
    )
    n_samples: int = Field(100_000, ge=1, description="training pairs")

    @property
    def dimensions(self) -> Dimensions:
        """Lengths and cardinality with the problem's own filled in."""
        return resolve_dimensions(self.problem, self.n_in, self.n_out, self.cardinality)


Encoding = Literal["integers", "characters", "words", "vectors"]


def _as_markers(value: Any) -> Any:  # noqa: ANN401 - what a TOML or a flag may hold
    """Markers as text: one or several with commas between, or a list, whose numbers are written as such."""
    if isinstance(value, str):
        value = value.split(",")
    if isinstance(value, list | tuple):
        return tuple(str(marker) if type(marker) in (int, float) else marker for marker in value)
    return str(value) if type(value) in (int, float) else value


Markers = Annotated[tuple[str, ...], BeforeValidator(_as_markers)]

ENCODINGS = (
    "integers (each a symbol, 0 and negatives too), characters (Unicode code points, NFC), words (split on white "
    "space, or a list of strings), vectors (real values)"
)


class FilesData(SeriesSettings):
    """The user's own pairs, or a series that is cut into windows."""

    kind: Literal["files"] = "files"
    train: Where = Field(
        description="training pairs: .parquet, .arrow, .feather, .csv, .tsv, .jsonl (the last three also .gz, .zst) "
        "or .npz; a file, a folder or a glob, or the URL of such in an object store"
    )
    validation: Where | None = Field(None, description="pairs to validate on, likewise; else a split of the training")
    test: Where | None = Field(None, description="pairs to evaluate on, likewise; else a split of the training")
    format: FormatName | None = Field(
        None,
        description="what all of these files are read as, whatever their suffixes, such as .txt or .json; compression "
        "goes by the suffix all the same (by suffix)",
    )
    settle: float = Field(
        10.0,
        ge=0,
        allow_inf_nan=False,
        description="seconds since its last change before a file of a folder or a pattern is taken; a younger one may "
        "be half written and is left for the next run; a file that is named itself is always taken",
    )
    header: bool = Field(True, description="whether the first line of a .csv or .tsv names the columns")
    delimiter: str | None = Field(
        None, min_length=1, max_length=1, description="between the fields of a line (a comma in .csv, a tab in .tsv)"
    )
    quote: str | None = Field(
        None, max_length=1, description='around fields that hold a delimiter (`"` in .csv, none in .tsv); empty: none'
    )
    escape: str | None = Field(
        None,
        min_length=1,
        max_length=1,
        description="before a character of a .csv or .tsv that is content, such as the backslash that Spark writes "
        "before quotes (none)",
    )
    encoding: str = Field(
        "utf-8",
        description="of the bytes of .csv, .tsv and .jsonl: the name of any of Python's codecs for text, such as "
        "cp1252, latin-1, utf-16 or shift_jis; what values mean is said by data.source_encoding",
    )
    decimal: Literal[".", ","] | None = Field(
        None, description="the mark before decimals in text that means numbers (a point)"
    )
    thousands: str | None = Field(
        None,
        min_length=1,
        max_length=1,
        pattern=r"^[^0-9+\-eE\[\]]$",
        description="the mark between groups of three digits in text that means numbers, as in 1,234 (none)",
    )
    missing: Markers = Field(
        (),
        description="what stands for a missing value, such as ?, NA or -200, as a list or with commas between: a cell "
        "that is one is null, and so is a number of a list (none)",
    )
    padding_value: float | None = Field(
        None,
        description="what lists and arrays are padded with to be of one length, any number or nan: taken off at both "
        "ends (nothing)",
    )
    source: ColumnNames | None = Field(
        None,
        description="column of the source sequences: its name, its path within a structure (`translation.en`), or its "
        "position from 0 with header = false (`source`, or 0); of a series, one or several, as a list or with commas "
        "between",
    )
    target: ColumnNames | None = Field(
        None, description="column of the target sequences, likewise (`target`, or 1; of a series, the source's)"
    )
    weight: str | int | None = Field(
        None,
        description="column of the weights of pairs, numbers of 0 or more, likewise: a training pair counts as much as "
        "its weight says beside the mean of all (none: all count the same); of training and validation files",
    )
    source_encoding: Encoding = Field(
        "integers",
        description=f"what a source sequence is made of: {ENCODINGS}; the encoding of a file's bytes is data.encoding",
    )
    target_encoding: Encoding = Field("integers", description="what a target sequence is made of, likewise")
    source_lowercase: bool = Field(False, description="lower-case the characters or words of sources")
    target_lowercase: bool = Field(False, description="lower-case the characters or words of targets")
    shared_vocabulary: bool = Field(
        False,
        description="learn one vocabulary from both sides together, so that a symbol has the same id in sources and "
        "targets; both must be of one encoding",
    )
    min_count: int = Field(
        1,
        ge=1,
        description="times that a symbol occurs in training to be in the vocabulary; on both sides together where they "
        "share one",
    )
    max_vocabulary: int | None = Field(
        None,
        ge=2,
        description="symbols of each side's vocabulary, or of the shared one, the commonest; the others become unknown "
        "(all)",
    )
    unknown: Literal["keep", "reject"] = Field(
        "keep",
        description="validation and test rows with source symbols that training has not seen: keep them, with the "
        "unknown token, or reject them",
    )
    max_source_length: int | None = Field(
        None, ge=1, le=1_000_000, description="longer sources are rejected, time steps (the longest; at most 10,000)"
    )
    max_target_length: int | None = Field(
        None, ge=1, le=1_000_000, description="longer targets are rejected, time steps (the longest; at most 10,000)"
    )
    empty_source: Literal["reject", "keep"] = Field("reject", description="what to do with sources without a step")
    empty_target: Literal["reject", "keep"] = Field("reject", description="what to do with targets without a step")
    validation_fraction: Fraction = Field(
        0.1,
        description="share of sources to validate on, in [0, 1), by a seeded hash of the source; of a series, the "
        "share of its time, before the test's",
    )
    test_fraction: float = Field(
        0.1,
        gt=0,
        lt=1,
        description="share of sources to evaluate on, in (0, 1), likewise; of a series, its last share",
    )
    max_reject_rate: float = Field(
        0.0, ge=0, le=1, description="share of rows that may be rejected before the run fails, in [0, 1]"
    )

    @field_validator("source_encoding", "target_encoding", mode="before")
    @classmethod
    def _is_of_values(cls, encoding: object) -> object:
        if isinstance(encoding, str) and _is_codec(encoding):
            message = (
                f"{encoding!r} is an encoding of bytes: set data.encoding = {encoding!r}, and here what the values are"
            )
            raise ValueError(message)
        return encoding

    @property
    def dialect(self) -> Dialect:
        """How the files write what they hold."""
        return Dialect(**{field.name: getattr(self, field.name) for field in fields(Dialect)})

    @property
    def places(self) -> dict[str, Where]:
        """Where the files lie, by the split that they are given for; training first."""
        places = {"train": self.train, "validation": self.validation, "test": self.test}
        return {name: where for name, where in places.items() if where is not None}

    @property
    def source_columns(self) -> tuple[str | int, ...]:
        """Names of the source columns, or positions from 0."""
        return self._columns(self.source, 0)

    @property
    def target_columns(self) -> tuple[str | int, ...]:
        """Names of the target columns, or positions from 0."""
        if self.target is None and self.is_series:
            return self.source_columns
        return self._columns(self.target, 1)

    @property
    def weight_column(self) -> str | int | None:
        """Name of the weights' column, or its position from 0; None where all pairs count the same."""
        return self.weight if self.header or self.weight is None else _position(self.weight)

    @property
    def time_column(self) -> str | int | None:
        """Name of the column of time stamps, or its position from 0; None where rows are in order."""
        return self.time if self.header or self.time is None else _position(self.time)

    def columns_of(self, setting: str) -> tuple[str | int, ...]:
        """Names of the columns that `series`, `known`, `static` or `static_categories` names, or positions from 0."""
        names: ColumnNames | None = getattr(self, setting)
        return () if names is None else self._listed(names)

    def _columns(self, names: ColumnNames | None, side: int) -> tuple[str | int, ...]:
        if names is None:
            names = side if not self.header else ("source", "target")[side]
        if isinstance(names, str) and not self.is_series:
            names = (names,)
        return self._listed(names)

    def _listed(self, names: ColumnNames) -> tuple[str | int, ...]:
        if isinstance(names, str):
            names = tuple(name.strip() for name in names.split(","))
        columns = names if isinstance(names, tuple) else (names,)
        return columns if self.header else tuple(_position(name) for name in columns)


def _is_codec(name: str) -> bool:
    try:
        codecs.lookup(name)
    except LookupError:
        return False
    return True


def _position(name: str | int) -> str | int:
    return int(name) if isinstance(name, str) and name.isdecimal() else name
