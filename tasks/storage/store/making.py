"""What an artifact is made of, what making it gives back, and what is kept of its last making."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self

from pydantic import BaseModel, ConfigDict

from tasks.storage.files.json_files import parse_json
from tasks.storage.store.kinds import format_version
from tasks.storage.store.manifest import Digest, FileEntry, canonical_digest


@dataclass(frozen=True)
class Made:
    """What making an artifact gives back beside its files.

    An artifact is the same as another if its facts and files are: what was made is what is there.

    Args:
        facts: a few values that readers need without opening a file.
        alike: of files whose bytes differ by save, or of folders that hold only such, what is the same where they are.
        figures: what is true of this making and says nothing of the artifact, such as seconds; kept beside the key.
    """

    facts: dict[str, Any]
    alike: Mapping[str, str] = field(default_factory=dict)
    figures: dict[str, Any] = field(default_factory=dict)

    def content(self, files: Mapping[str, FileEntry]) -> list[Any]:
        """All that makes it another artifact."""
        return [self.facts, {name: self._stands_for(name) or entry.sha256 for name, entry in files.items()}]

    def _stands_for(self, name: str) -> str | None:
        return self.alike.get(name) or self.alike.get(name.partition("/")[0])


class Making(BaseModel):
    """The last time that a step with some key made its artifact.

    `checksum` covers all other fields, so that an index which was altered, or is another step's, leads nowhere.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    key: Digest
    digest: Digest
    made_at: datetime
    made_in_seconds: float
    figures: dict[str, Any]
    checksum: str = ""

    @classmethod
    def parse(cls, content: bytes, key: str) -> Self | None:
        """What an index says of a step; None where it was altered, or is another step's."""
        try:
            making = cls.model_validate(parse_json(content))
            is_sound = (making.key, making.checksum) == (key, making.content_digest())
        except (ValueError, RecursionError):
            return None
        return making if is_sound else None

    def sealed(self) -> Self:
        """The same with its checksum."""
        return self.model_copy(update={"checksum": self.content_digest()})

    def content_digest(self) -> str:
        """The digest of all fields but the checksum."""
        return canonical_digest(self.model_dump(mode="json", exclude={"checksum"}))


@dataclass(frozen=True)
class StepInputs:
    """What an artifact is made of and recorded with; its `key` covers all but `experiment`.

    Args:
        kind: of the artifact, a folder's name.
        depends_on: the settings, versions and code digest that its content depends on.
        made_from: digests of the artifacts and files that it is made from.
        experiment: the whole experiment, for the record.
        versions: of the libraries that compute it.
    """

    kind: str
    depends_on: dict[str, Any]
    made_from: dict[str, str]
    experiment: dict[str, Any]
    versions: dict[str, str]

    @property
    def key(self) -> str:
        """The digest of everything that the result depends on, and nothing else."""
        return canonical_digest([self.kind, format_version(self.kind), self.depends_on, self.made_from, self.versions])
