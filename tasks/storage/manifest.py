"""What an artifact says of itself, and the handle by which steps pass it on."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from tasks.seq2seq.errors import ArtifactError

FORMAT_VERSION = 1
MANIFEST = "manifest.json"


def canonical_digest(content: Any) -> str:  # noqa: ANN401 - any JSON value
    """The SHA-256 of a JSON value, whatever the order of its keys."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()


class FileEntry(BaseModel):
    """One file of an artifact."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sha256: str
    bytes: int


class Manifest(BaseModel):
    """The last file written into an artifact's folder.

    `checksum` covers all other fields, so that an altered manifest is noticed like an altered file.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: str
    format_version: int
    digest: str
    key: str
    files: dict[str, FileEntry]
    made_from: dict[str, str]
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
            raw = json.loads(path.read_text(encoding="utf-8"))
            version = raw["format_version"]
            if isinstance(version, int) and version > FORMAT_VERSION:
                raise ArtifactError(
                    f"{folder} is of format {version}, this version of the project reads up to "
                    f"{FORMAT_VERSION}; update the project"
                )
            manifest = cls.model_validate(raw)
        except FileNotFoundError as error:
            raise ArtifactError(f"{folder} is no artifact: it has no {MANIFEST}") from error
        except (OSError, ValueError, KeyError, TypeError, ValidationError) as error:
            raise ArtifactError(f"{path} cannot be read: {type(error).__name__}") from error
        if manifest.checksum != manifest.content_digest():
            raise ArtifactError(f"{path} was altered: its checksum does not fit")
        return manifest


class Handle(BaseModel):
    """An artifact as steps pass it on: where it lies, what it is, and a few facts.

    `cached` and `seconds` tell of this run: whether it found the artifact made, and how long that took;
    `made_in_seconds` is how long it took to make.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: str
    path: Path
    digest: str
    format_version: int
    facts: dict[str, Any]
    made_in_seconds: float
    cached: bool = False
    seconds: float = 0.0

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
