"""What a batch prediction is asked for: its inputs, its output, the model, and what is written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from pydantic import Field, ValidationError

from tasks.seq2seq.errors import SettingsError
from tasks.seq2seq.settings.checks import BatchChecks
from tasks.seq2seq.settings.data import FilesData, FormatName, Markers, SyntheticData
from tasks.seq2seq.settings.decoding import DecodingSettings
from tasks.seq2seq.settings.experiment import Experiment
from tasks.seq2seq.settings.rules import decoding_faults, section_faults
from tasks.seq2seq.settings.runner import RunnerSettings, renamed_faults, runner_faults
from tasks.seq2seq.settings.section import ColumnNames, Section
from tasks.seq2seq.settings.where import Where, name_of
from tasks.seq2seq.shown import shown

OutputFormat = Literal["parquet", "csv", "jsonl"]


class BatchSettings(Section):
    """One run of batch prediction."""

    inputs: tuple[Where, ...] = Field(
        min_length=1,
        description="files to predict, folders of them, or patterns such as 'in/*.csv'; or URLs of such in an object "
        "store",
    )
    output: Where = Field(description="folder for the predictions, or its URL in an object store")
    model: str | None = Field(
        None,
        description="the model: a promoted name, the first digits of a bundle's digest, or a bundle's folder in the "
        "store (the only promoted name)",
    )
    format: OutputFormat = Field("parquet", description="of the predictions")
    csv_safe: bool = Field(
        False,
        description="with format csv: put an apostrophe before text that begins with = + - @, a tab or a carriage "
        "return, which spreadsheets would run as a formula; numbers stay",
    )
    long: bool = Field(
        False,
        description="of series: a row for each step of a forecast, with its time stamp and a number, in place of a "
        "row a series with lists",
    )
    input_format: FormatName | None = Field(
        None,
        description="what all inputs are read as, whatever their suffixes, such as .txt or .json; compression goes by "
        "the suffix all the same (by suffix)",
    )
    partitions: bool = Field(
        False,
        description="keep folders below an input that are named key=value as columns of the predictions: of integers "
        "where all values are, else of text",
    )
    drop: tuple[str, ...] = Field(
        (),
        description="columns of the inputs that are left out of the predictions: names, with commas between; of a "
        "column without a name, or of several with one name, the position from 0",
    )
    allow_empty_files: bool = Field(
        False, description="predict a file without rows to an empty output; else it fails as one that cannot be read"
    )
    source: ColumnNames | None = Field(
        None, description="column of the source sequences, or position from 0 (as in training)"
    )
    target: ColumnNames | None = Field(
        None, description="column of the target sequences, likewise; where a file has it, the predictions are scored"
    )
    header: bool | None = Field(
        None, description="whether the first line of a .csv or .tsv names the columns (as in training)"
    )
    delimiter: str | None = Field(
        None, min_length=1, max_length=1, description="between the fields of a line (as in training)"
    )
    quote: str | None = Field(None, max_length=1, description="around fields (as in training); empty: none")
    escape: str | None = Field(
        None, min_length=1, max_length=1, description="before a character that is content (as in training)"
    )
    encoding: str | None = Field(None, description="of the bytes of .csv, .tsv and .jsonl (as in training)")
    decimal: Literal[".", ","] | None = Field(
        None, description="the mark before decimals in text that means numbers (as in training)"
    )
    thousands: str | None = Field(
        None, min_length=1, max_length=1, description="the mark between groups of three digits (as in training)"
    )
    missing: Markers | None = Field(
        None, description="what stands for a missing value, with commas between (as in training)"
    )
    padding_value: float | None = Field(
        None, description="what lists and arrays are padded with, any number (as in training)"
    )
    origins: Literal["last", "all"] = Field(
        "last", description="of a series: one forecast from its last time step, or one from each that has a history"
    )
    token_log_probabilities: bool = Field(False, description="write the log-probability of each predicted token")
    encoder_states: bool = Field(False, description="write the encoder's last state, state_h and state_c side by side")
    states_picture: str | None = Field(
        None,
        min_length=1,
        description="with encoder_states: draw them in two dimensions, beside each output, coloured by this column of "
        "the input or the predictions (no picture)",
    )
    max_reject_rate: float | None = Field(
        None, ge=0, le=1, description="exit 1 where a file has a larger share of rejected rows, in [0, 1] (any will do)"
    )
    settle: float = Field(
        10.0,
        ge=0,
        allow_inf_nan=False,
        description="seconds since its last change before a file of a folder or a pattern is taken; a younger one may "
        "be half written and is left for the next run",
    )
    drift_threshold: float = Field(
        0.25,
        gt=0,
        allow_inf_nan=False,
        description="population stability index from which the day's rows count as shifted against the training data",
    )
    fail_on_drift: bool = Field(False, description="exit 1 where they are shifted")
    chunk_rows: int = Field(65_536, ge=1, le=10_000_000, description="rows that are decoded in one task")
    runner: RunnerSettings = Field(default_factory=RunnerSettings, description="what does the work")
    checks: BatchChecks = Field(default_factory=BatchChecks, description="what the rows must keep to")
    decoding: DecodingSettings = Field(
        default_factory=DecodingSettings, description="how sequences are chosen; what is not set is the model's own"
    )

    @property
    def title(self) -> str:
        """What is predicted, and where to, in a few words that can only be read."""
        what = name_of(self.inputs[0]) if len(self.inputs) == 1 else f"{len(self.inputs)} inputs"
        return shown(f"{what} into {name_of(self.output)}")

    def decoding_of(self, experiment: Experiment) -> DecodingSettings:
        """The model's decoding with what is set here; another method starts from its defaults.

        Raises:
            SettingsError: they do not fit one another, or the model.
        """
        given = self.decoding.model_dump(exclude_unset=True)
        own = experiment.decoding
        if given.get("method", own.method) == own.method:
            given = {**own.model_dump(), **given}
        else:
            given = {"max_length": own.max_length, **given}
        chosen = DecodingSettings.model_validate(given)
        data = experiment.data
        is_tokens = isinstance(data, SyntheticData) or data.target_encoding != "vectors"
        has_end = isinstance(data, FilesData) and is_tokens
        if faults := list(decoding_faults(chosen, has_end=has_end, is_tokens=is_tokens)):
            raise SettingsError("\n".join(faults))
        return chosen


def check_batch_settings(raw: Mapping[str, Any]) -> BatchSettings:
    """The batch prediction that `raw` describes.

    Args:
        raw: nested dictionaries as TOML, flags and the environment give them.

    Raises:
        SettingsError: naming every fault, each with its key.
    """
    if renamed := list(renamed_faults(raw)):
        raise SettingsError("\n".join(renamed))
    try:
        settings = BatchSettings.model_validate(raw)
    except ValidationError as error:
        raise SettingsError("\n".join(_faults(error))) from error
    if settings.states_picture is not None and not settings.encoder_states:
        raise SettingsError(
            f"states_picture is {settings.states_picture!r}, but encoder_states is not set, so there are no states to "
            f"draw; set encoder_states, or leave states_picture out"
        )
    if faults := list(runner_faults(settings.runner)):
        raise SettingsError("\n".join(faults))
    if settings.csv_safe and settings.format != "csv":
        raise SettingsError(
            f"csv_safe is set, but format is {settings.format!r}; set format to csv, or leave csv_safe out"
        )
    return settings


def _faults(error: ValidationError) -> Iterator[str]:
    for fault in section_faults(error, BatchSettings):
        if fault.startswith("inputs"):
            yield "no INPUT is given: name files, folders or patterns to predict"
        elif fault == "output is required":
            yield "--output is required: name a folder for the predictions"
        else:
            yield fault
