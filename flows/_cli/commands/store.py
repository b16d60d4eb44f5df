"""What is asked of the store: what it holds, where something came from, whether it is sound, and a clean-up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import Field

from flows._cli.command import Command
from flows._cli.settings import Options, Tree
from tasks.seq2seq.errors import SettingsError
from tasks.seq2seq.settings.pruning import PruneSettings
from tasks.seq2seq.settings.rules import check_section, nearest

LIST, WHY, VERIFY, PRUNE = "list", "why", "verify", "prune"
COMMANDS = (LIST, WHY, VERIFY, PRUNE)
_ONLY_LISTED = ("kind", "name")


class StoreSettings(PruneSettings):
    """What is asked, and what it is about."""

    words: tuple[str, ...] = Field(
        (), description="list; why FILE or why DIGEST; verify, or verify DIGEST ...; or prune"
    )
    kind: str | None = Field(None, description="list: only artifacts of this kind, such as bundle (all)")
    name: str | None = Field(None, description="list: only artifacts of experiments with this name (all)")
    dry_run: bool = Field(False, description="prune: say what would go and how large it is, and remove nothing")

    @property
    def command(self) -> str:
        """The first of the words."""
        return self.words[0]

    @property
    def about(self) -> tuple[str, ...]:
        """The words after it."""
        return self.words[1:]


def check_store(raw: Mapping[str, Any]) -> StoreSettings:
    """What `raw` asks for.

    Raises:
        SettingsError: naming every fault.
    """
    settings = check_section(StoreSettings, raw)
    if not settings.words:
        raise SettingsError(f"no command is given; expected {', '.join(COMMANDS[:-1])} or {COMMANDS[-1]}")
    if faults := list(_faults(settings)):
        raise SettingsError("\n".join(faults))
    return settings


def _faults(settings: StoreSettings) -> Iterator[str]:
    command = settings.command
    if command not in COMMANDS:
        yield f"{command} is no command{nearest(command, list(COMMANDS))}; expected one of {', '.join(COMMANDS)}"
        return
    if command == WHY and len(settings.about) != 1:
        yield "why takes one word: a prediction file, or six or more first digits of a digest"
    if command in (LIST, PRUNE) and settings.about:
        yield f"{command} takes no more words, but got {' '.join(settings.about)}"
    given = settings.model_fields_set - {"words"}
    known = {LIST: {*_ONLY_LISTED}, PRUNE: {*PruneSettings.model_fields, "dry_run"}}.get(command, set())
    for name in sorted(given - known):
        flag = f"--{name.replace('_', '-')}"
        yield f"{flag} is not for {command}, but for {LIST if name in _ONLY_LISTED else PRUNE}"


COMMAND = Command(
    name="store",
    description=(
        "Show what the store holds, where a prediction file or an artifact came from, and whether all is as it was "
        "written; or remove what is old, too large or replaced. What serves, what it was made from, and what a running "
        "process has opened always stays. "
        "Example: python -m flows.store prune --keep-models 3 --older-than 90 --dry-run"
    ),
    tree=Tree(StoreSettings, check_store, title="store", word="words"),
    options=Options,
    fills_store=False,
)
