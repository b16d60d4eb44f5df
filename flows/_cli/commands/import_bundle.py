"""What the import of a bundle is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field

from flows._cli.command import Command
from flows._cli.settings import Options, Tree
from tasks.seq2seq.errors import SettingsError
from tasks.seq2seq.settings.rules import check_section
from tasks.seq2seq.settings.section import Section


class ImportSettings(Section):
    """Which bundle is brought in."""

    folder: Path = Field(description="the bundle's folder, with its manifest.json")


def check_import(raw: Mapping[str, Any]) -> ImportSettings:
    """The import that `raw` asks for.

    Raises:
        SettingsError: naming every fault.
    """
    if "folder" not in raw:
        raise SettingsError("no FOLDER is given: name the folder of a bundle, with its manifest.json")
    return check_section(ImportSettings, raw)


COMMAND = Command(
    name="import_bundle",
    description=(
        "Copy a model bundle into the artifact store, after checking every file of it. One of an older format is made "
        "into one of the present format, which takes TensorFlow. "
        "Example: python -m flows.import_bundle /mnt/other/artifacts/bundle/1a2b3c4d*"
    ),
    tree=Tree(ImportSettings, check_import, title="bundle", word="folder"),
    options=Options,
)
