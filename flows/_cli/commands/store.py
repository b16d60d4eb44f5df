"""What is asked of the store: what it holds, where something came from, whether it is sound, pages, and a clean-up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import Field

from flows._cli.command import Command
from flows._cli.settings import Options, Tree
from tasks.seq2seq.errors import SettingsError
from tasks.seq2seq.settings.pruning import PruneSettings
from tasks.seq2seq.settings.rules import check_section, nearest
from tasks.seq2seq.settings.where import is_url
from tasks.storage.files.atomic import check_writable

LIST, WHY, VERIFY, PRUNE, LEADERBOARD, PAGES = "list", "why", "verify", "prune", "leaderboard", "pages"
COMMANDS = (LIST, WHY, VERIFY, PRUNE, LEADERBOARD, PAGES)
_FLAGS = {
    LIST: {"kind", "name"},
    LEADERBOARD: {"csv", "page"},
    PRUNE: {*PruneSettings.model_fields, "dry_run"},
    PAGES: {"outputs"},
}


class StoreSettings(PruneSettings):
    """What is asked, and what it is about."""

    words: tuple[str, ...] = Field(
        (),
        description="list; why FILE or why DIGEST; verify, or verify DIGEST ...; prune; leaderboard, or leaderboard "
        "PROBLEM, an experiment's name or a generated problem's; pages",
    )
    kind: str | None = Field(None, description="list: only artifacts of this kind, such as bundle (all)")
    name: str | None = Field(None, description="list: only artifacts of experiments with this name (all)")
    csv: Path | None = Field(None, description="leaderboard: file to write the experiments to, as CSV (none)")
    page: Path | None = Field(None, description="leaderboard: file to write them to, as a page of HTML (none)")
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
        yield f"{command} is not a command{nearest(command, list(COMMANDS))}; expected one of {', '.join(COMMANDS)}"
        return
    if command == WHY and len(settings.about) != 1:
        yield "why takes one word: a prediction file, or six or more first digits of a digest"
    if command in (LIST, PRUNE, PAGES) and settings.about:
        yield f"{command} takes no more words, but got {' '.join(settings.about)}"
    if command == LEADERBOARD and len(settings.about) > 1:
        yield f"leaderboard takes one problem, but got {' '.join(settings.about)}"
    given = settings.model_fields_set - {"words"}
    for name in sorted(given - _FLAGS.get(command, set())):
        meant = next(other for other, flags in _FLAGS.items() if name in flags)
        yield f"--{name.replace('_', '-')} is not for {command}, but for {meant}"


def _check(settings: StoreSettings, options: Options) -> None:
    if settings.command == PAGES and is_url(str(options.store)):
        raise SettingsError(
            f"pages links the reports of a store on this machine, but {options.store} is in an object store; copy it "
            f"here first, or take leaderboard --page"
        )
    check_writable(settings.csv, "--csv")
    check_writable(settings.page, "--page")


COMMAND = Command(
    name="store",
    description=(
        "Show what the store holds, where a prediction file or an artifact came from, whether all is as it was "
        "written, and all experiments side by side; write pages about all of it; or remove what is old, too large or "
        "replaced. What serves, what it was made from, and what a running process has opened always stays. "
        "Example: python -m flows.store prune --keep-models 3 --older-than 90 --dry-run"
    ),
    tree=Tree(StoreSettings, check_store, title="store", word="words"),
    options=Options,
    check=_check,
    fills_store=False,
)
