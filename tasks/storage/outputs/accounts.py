"""Where the predictions of a file lie, and the account that makes them valid.

    DIR/<path below its INPUT>/<full name>.parquet           the predictions (.csv, .jsonl likewise)
    DIR/<path below its INPUT>/<full name>.rejects.parquet   rows that could not be used
    DIR/<path below its INPUT>/<full name>.states.png        encoder states in two dimensions, where asked for
    DIR/<path below its INPUT>/<full name>.account.json      what was read, predicted and rejected; written last
    DIR/_run.json, DIR/_report.html                          the folder as it is, and what the last run did
    DIR/.work/                                               what a run has not finished yet

In an object store the same lies there but for what is not finished, which is on this machine.
An output without a valid account does not exist.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from tasks.seq2seq.errors import DataError
from tasks.seq2seq.monitoring.tally import Tally
from tasks.seq2seq.settings.batch import OutputFormat
from tasks.storage.artifacts.shapes import ForecastFile
from tasks.storage.files.atomic import write_atomically
from tasks.storage.files.digests import file_digest
from tasks.storage.files.inputs import InputFile
from tasks.storage.files.json_files import parse_json
from tasks.storage.files.limits import JSON_BYTES
from tasks.storage.files.places import Place
from tasks.storage.outputs.partitions import Partitions
from tasks.storage.store.manifest import Digest, FileEntry, canonical_digest

OUTPUT_FORMAT_VERSION = 1  # of outputs: another version predicts all files again
ACCOUNT = ".account.json"
REJECTS = ".rejects.parquet"
PICTURE = ".states.png"
WORK = ".work"
LOCK = "lock"
NAME_BYTES = 255  # of a file's name, on most file systems
ADDED_BYTES = 40  # by the longest of our suffixes, and while a file is written aside


@dataclass(frozen=True)
class OutputPlace:
    """Where the output of one input goes.

    Args:
        file: the input.
        name: its path below the INPUT that names it, the file's own name last.
        folder: the output folder.
        partitions: columns that the folders above the file give all its rows.
        remote: where the output goes in the end, if that is an object store; `folder` is then where it is put together.
    """

    file: InputFile
    name: str
    folder: Path
    partitions: Partitions = field(default_factory=dict)
    remote: Place | None = field(default=None, repr=False, compare=False)

    @property
    def shown(self) -> str:
        """The folder, as people are shown it."""
        return self.remote.shown() if self.remote else str(self.folder)

    def name_of(self, path: Path) -> str:
        """The name of one of its files below the output folder."""
        return path.relative_to(self.folder).as_posix()

    @property
    def account(self) -> Path:
        """The account's file."""
        return self.folder / f"{self.name}{ACCOUNT}"

    @property
    def rejects(self) -> Path:
        """The rejects' file."""
        return self.folder / f"{self.name}{REJECTS}"

    @property
    def picture(self) -> Path:
        """The file of the picture of encoder states."""
        return self.folder / f"{self.name}{PICTURE}"

    def check_places(self, suffix: str) -> None:
        """Refuses a file whose output has no place.

        Raises:
            DataError: a name is too long for the file system, or a folder stands where a file should.
        """
        base = self.name.rsplit("/", 1)[-1]
        if len(base.encode()) > NAME_BYTES - ADDED_BYTES:
            raise DataError(
                f"{self.file.path} has a name of {len(base.encode())} bytes, its output would have one that is too "
                f"long; expected at most {NAME_BYTES - ADDED_BYTES}, rename it"
            )
        for path in (self.output(suffix), self.rejects, self.picture, self.account):
            if path.is_dir():
                raise DataError(f"{self.file.path} cannot be predicted: {path} is a folder; move it out of the way")

    def output(self, suffix: str) -> Path:
        """The predictions' file; `suffix` is the output's format."""
        return self.folder / f"{self.name}.{suffix}"


class Lineage(BaseModel):
    """What an output was made from and how; `code` and `engine` are recorded, all else makes it another output.

    Another version of the engine gives the same tokens and, to rounding, the same scores: no reason to predict again.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format_version: int = OUTPUT_FORMAT_VERSION
    input: Digest
    model: Digest
    dataset: Digest
    decoding: dict[str, Any]
    writing: dict[str, Any]
    reading: dict[str, Any]
    code: str
    engine: str | None = None

    @property
    def key(self) -> str:
        """The digest of everything that makes it another output."""
        return canonical_digest(self.model_dump(mode="json", exclude={"code", "dataset", "engine"}))

    @model_serializer(mode="wrap")
    def _as_it_was_written(self, serialise: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Without an engine where none is told, as in accounts of older versions: their checksums shall still fit."""
        content: dict[str, Any] = serialise(self)
        return {name: value for name, value in content.items() if name != "engine" or value is not None}


class SeriesForecast(BaseModel):
    """How many series of an input were forecast, and of how many nothing was, by the reason."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    forecast: int
    not_forecast: dict[str, int]


_OF_SOME = ("input_version", "known_ahead", "series", "forecasts")  # fields of an account


class Account(BaseModel):
    """Where each row of an input went, and the files that hold them.

    Of pairs, `read = predicted + rejected`. Of series, `read = predicted + history_only + known_ahead + rejected`, and
    `series` says how many were forecast, and why the others were not.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    input_bytes: int
    lineage: Lineage
    format: OutputFormat
    read: int
    predicted: int
    rejected: int
    history_only: int = 0
    known_ahead: int = 0
    series: SeriesForecast | None = None
    forecasts: list[ForecastFile] = []  # the first few, with their history, for the page of the batch
    reasons: dict[str, int]
    advice: list[str] = []  # settings that would read some of the rejects, a line each
    columns_left_out: list[str]
    tally: Tally
    files: dict[str, FileEntry]
    input_version: str | None = None  # of an input in an object store, by which it is known without being read
    checksum: str = Field("", repr=False)

    @model_serializer(mode="wrap")
    def _as_it_was_written(self, serialise: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Without what only some have where there is none, as accounts of older versions: their checksums shall fit."""
        content: dict[str, Any] = serialise(self)
        return {name: value for name, value in content.items() if value or name not in _OF_SOME}

    @model_validator(mode="after")
    def _names_its_own_files(self) -> Self:
        """A file that it names is removed where a later output has none: it must be one of this input's.

        The name itself is as the user's file system has it, with any character but `/` in its parts.
        """
        if "\0" in self.name or {"", ".", ".."} & set(self.name.split("/")):
            raise ValueError("expected a name below the input, without '.' and '..'")
        for file in self.files:
            suffix = file.removeprefix(f"{self.name}.")
            if suffix == file or not suffix.isprintable() or "/" in suffix or "\\" in suffix:
                raise ValueError("expected files that begin with the name of the input")
        return self

    @property
    def has_failed(self) -> bool:
        """Whether the input has rows, and none that can be used."""
        return 0 < self.read == self.rejected

    @property
    def failure(self) -> str:
        """Why it has failed, in words."""
        reasons = ", ".join(f"{reason} {n:,}" for reason, n in self.reasons.items())
        found = f"none of its {self.read:,} rows can be used ({reasons}); they are in {self.name}{REJECTS}"
        return "; ".join([found, *self.advice])

    def check(self) -> None:
        """Proves that no row was lost or counted twice.

        Raises:
            DataError: the numbers do not add up, a defect of this program.
        """
        kept = self.predicted + self.history_only + self.known_ahead + self.rejected
        if self.read != kept or self.rejected != sum(self.reasons.values()):
            raise DataError(
                f"the account of {self.name} does not add up: {self.read} rows read, {self.predicted} predicted, "
                f"{self.history_only} history only, {self.known_ahead} known ahead, "
                f"{self.rejected} rejected ({self.reasons}); its output is not kept, "
                f"please report this defect"
            )

    def write(self, place: OutputPlace) -> None:
        """Writes it beside the output, which makes this valid."""
        write_atomically(place.account, self.sealed_json())

    def sealed_json(self) -> str:
        """The same with its checksum, as it is written."""
        return self.model_copy(update={"checksum": self.content_digest()}).model_dump_json(indent=1)

    def content_digest(self) -> str:
        """The digest of all fields but the checksum."""
        return canonical_digest(self.model_dump(mode="json", exclude={"checksum"}))

    @classmethod
    def read_from(cls, path: Path) -> Self | str:
        """The account in a file, or why it is none; the files that it names are not looked at."""
        try:
            with path.open("rb") as file:
                content = file.read(JSON_BYTES + 1)
        except FileNotFoundError:
            return "not predicted yet"
        except OSError:
            return _NO_ACCOUNT
        return cls.parse(content)

    @classmethod
    def parse(cls, content: bytes) -> Self | str:
        """The account that a file holds, or why it is none."""
        try:
            account = cls.model_validate(parse_json(content))
            is_as_written = account.checksum == account.content_digest()
        except (ValueError, RecursionError):
            return _NO_ACCOUNT
        return account if is_as_written else "its account was altered"

    def fault_of_files(self, folder: Path) -> str | None:
        """What is wrong with the files that it vouches for, below the output folder; None if nothing is."""
        for name, entry in self.files.items():
            path = folder / name
            if not path.is_file():
                return f"{path.name} is missing"
            if path.stat().st_size != entry.bytes or file_digest(path) != entry.sha256:
                return f"{path.name} was altered"
        return None


_NO_ACCOUNT = "its account cannot be read, or is of another version"


def read_account(place: OutputPlace) -> Account | str:
    """The account of an output, or why there is none; the files that it names are not looked at."""
    if place.remote is None:
        return Account.read_from(place.account)
    found = place.remote.read(place.name_of(place.account))
    return Account.parse(found.content) if found else "not predicted yet"


def find_account(place: OutputPlace, lineage: Lineage) -> Account | str:
    """The valid account of an output as `lineage` would make it, or why there is none."""
    account = read_account(place)
    if isinstance(account, str):
        return account
    if account.name != place.name:
        return "its account is another file's"
    if account.lineage.key != lineage.key:
        return _difference(account.lineage, lineage)
    return _fault_of_files(place, account) or account


def _fault_of_files(place: OutputPlace, account: Account) -> str | None:
    """What is wrong with the files that an account vouches for; in an object store they are known by their sizes."""
    if place.remote is None:
        return account.fault_of_files(place.folder)
    for name, entry in account.files.items():
        there = place.remote.look(name)
        if there is None or there.size != entry.bytes:
            return f"{name.rsplit('/', 1)[-1]} {'was altered' if there else 'is missing'}"
    return None


def known_digest(place: OutputPlace) -> str | None:
    """The digest of an input that an object store says is the one of the account; None where nobody knows."""
    version = place.file.version
    account = read_account(place) if version else ""
    return account.lineage.input if isinstance(account, Account) and account.input_version == version else None


_DIFFERENCES = {
    "input": "its content changed",
    "model": "another model",
    "decoding": "other decoding settings",
    "writing": "another output was asked for",
    "reading": "read with other settings",
    "format_version": "the outputs' format has a new version",
}


def _difference(before: Lineage, now: Lineage) -> str:
    return ", ".join(said for name, said in _DIFFERENCES.items() if getattr(before, name) != getattr(now, name))


def list_accounts(folder: Path) -> dict[str, Account]:
    """All accounts that can be read below an output folder, by the name of their input."""
    found = {}
    for where, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if name != WORK)
        for name in sorted(names):
            if name.endswith(ACCOUNT):
                account = Account.read_from(Path(where) / name)
                if isinstance(account, Account):
                    found[(Path(where) / name).relative_to(folder).as_posix().removesuffix(ACCOUNT)] = account
    return found
