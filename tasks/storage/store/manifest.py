"""What an artifact says of itself, and the handle by which steps pass it on."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Self, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from tasks.seq2seq.errors import ArtifactError
from tasks.storage.files.json_files import Content, first_fault, matching, parse_json
from tasks.storage.files.limits import JSON_BYTES
from tasks.storage.store.kinds import format_version

MANIFEST = "manifest.json"
DIGEST_CHARACTERS = 16  # of a digest, where people are shown it
DIGEST_PATTERN = r"^[0-9a-f]{64}$"
KIND_PATTERN = r"^[a-z][a-z0-9_]{0,30}$"
_PART_BYTES, _NAME_CHARACTERS = 255, 1024  # of a part of a file's name, and of all of it


def _check_file_name(name: str) -> str:
    """A file's name, if it can only lead to a file below the folder that it is joined to."""
    parts = name.split("/")
    is_short = len(name) <= _NAME_CHARACTERS and all(len(part.encode()) <= _PART_BYTES for part in parts)
    if not is_short or {"", ".", ".."} & set(parts) or "\\" in name or not name.isprintable():
        raise ValueError("expected a relative path without '.', '..', backslashes and control characters")
    return name


# What others wrote becomes a path, or part of one, only after it was held against one of these.
Digest = Annotated[str, Field(pattern=DIGEST_PATTERN)]
Kind = Annotated[str, Field(pattern=KIND_PATTERN)]
FileName = Annotated[str, AfterValidator(_check_file_name)]


def short(digest: str) -> str:
    """The first digits of a digest, as people are shown it."""
    return digest[:DIGEST_CHARACTERS]


def canonical_digest(content: Any) -> str:  # noqa: ANN401 - any JSON value
    """The SHA-256 of a JSON value, whatever the order of its keys."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()


SomeFacts = TypeVar("SomeFacts", bound=BaseModel)


class FileEntry(BaseModel):
    """One file of an artifact."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sha256: Digest
    bytes: int


class Manifest(BaseModel):
    """The last file written into an artifact's folder.

    `checksum` covers all other fields, so that an altered manifest is noticed like an altered file.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Kind
    format_version: int
    digest: Digest
    key: Digest
    files: dict[FileName, FileEntry]
    made_from: dict[str, Digest]
    depends_on: dict[str, Any]
    experiment: dict[str, Any]
    versions: dict[str, str]
    facts: dict[str, Any]
    made_at: datetime
    made_in_seconds: float
    checksum: str = ""

    def sealed(self) -> Self:
        """The same manifest with its checksum."""
        return self.model_copy(update={"checksum": self.content_digest()})

    def content_digest(self) -> str:
        """The digest of all fields but the checksum."""
        return canonical_digest(self.model_dump(mode="json", exclude={"checksum"}))

    @classmethod
    def read(cls, folder: Path) -> Self:
        """The manifest of the artifact in `folder`.

        Raises:
            ArtifactError: it is missing, altered, or of a newer format.
        """
        path = folder / MANIFEST
        try:
            with path.open("rb") as file:
                content = file.read(JSON_BYTES + 1)
        except FileNotFoundError as error:
            raise ArtifactError(f"{folder} is not an artifact: it has no {MANIFEST}") from error
        except OSError as error:
            raise ArtifactError(f"{path} cannot be read: {first_fault(error)}") from error
        return cls.parse(content, str(folder))

    @classmethod
    def parse(cls, content: bytes, where: str) -> Self:
        """The manifest that a file holds, of the artifact that lies `where`.

        Raises:
            ArtifactError: it is altered, or of a newer format.
        """
        path = f"{where}/{MANIFEST}"
        try:
            raw = parse_json(content)
            version, known = raw["format_version"], format_version(str(raw.get("kind")))
            if isinstance(version, int) and version > known:
                raise ArtifactError(
                    f"{where} is of format {version}, this version of the project reads up to {known}; update the "
                    f"project"
                )
            manifest = cls.model_validate(raw)
            is_as_written = manifest.checksum == manifest.content_digest()
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise ArtifactError(f"{path} cannot be read: {first_fault(error)}") from error
        if not is_as_written:
            raise ArtifactError(f"{path} was altered: its checksum does not fit")
        return manifest


class Handle(BaseModel):
    """An artifact as steps pass it on: where it lies, what it is, and a few facts.

    `cached` and `seconds` tell of this run: whether it found the artifact made, and how long that took.
    `made_in_seconds` is how long it took to make, and `figures` what else is true of that making only; of an artifact
    that was not found by a step's key there are none. `this_run` is what else a step has to say of this run.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Kind
    path: Path
    digest: Digest
    format_version: int
    facts: dict[str, Any]
    made_in_seconds: float
    figures: dict[str, Any] = Field(default_factory=dict)
    cached: bool = False
    seconds: float = 0.0
    this_run: dict[str, Any] = Field(default_factory=dict)

    def facts_as(self, like: type[SomeFacts]) -> SomeFacts:
        """All facts, as those of its kind are.

        Raises:
            ArtifactError: they are others.
        """
        try:
            return like.model_validate(self.facts)
        except ValueError as error:
            raise ArtifactError(self._of_others(error)) from error

    def fact(self, name: str, like: type[Content]) -> Content:
        """One of the facts, of a shape as `read_json` takes it.

        Raises:
            ArtifactError: it is missing, or of another shape.
        """
        if name not in self.facts:
            raise ArtifactError(self._of_others(ValueError(f"{name!r} is missing")))
        try:
            return matching(self.facts[name], like)
        except ValueError as error:
            raise ArtifactError(self._of_others(error)) from error

    def _of_others(self, error: ValueError) -> str:
        return (
            f"{self.path} holds no {self.kind} that this version of the project knows: {first_fault(error)}; make it "
            f"again, or bring it back"
        )

    @classmethod
    def of(cls, manifest: Manifest, path: Path) -> Self:
        """The handle of the artifact that `manifest` describes."""
        return cls(
            kind=manifest.kind,
            path=path,
            digest=manifest.digest,
            format_version=manifest.format_version,
            facts=manifest.facts,
            made_in_seconds=manifest.made_in_seconds,
        )
