"""What the record of promotions is asked for: who serves, or a decision of a person."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import Field

from flows._cli.command import Command
from flows._cli.settings import Options, Tree
from tasks.seq2seq.errors import SettingsError
from tasks.seq2seq.settings.rules import check_section
from tasks.seq2seq.settings.section import Section


class PromotionsSettings(Section):
    """Which names are shown, and what a person decides."""

    name: str | None = Field(None, description="a promoted name (all of them)")
    promote: str | None = Field(
        None,
        description="let this bundle serve: the first digits of its digest, or its folder (none)",
        json_schema_extra={"metavar": "MODEL"},
    )
    rollback: bool = Field(False, description="let the model serve again that served before")
    reason: str | None = Field(
        None,
        description="why, for the record; required with --promote and --rollback (none)",
        json_schema_extra={"metavar": "TEXT"},
    )

    @property
    def decision(self) -> str | None:
        """The flag of what a person decides; None where nothing is decided."""
        return "--promote" if self.promote else "--rollback" if self.rollback else None


def check_promotions(raw: Mapping[str, Any]) -> PromotionsSettings:
    """What `raw` asks for.

    Raises:
        SettingsError: naming every fault, each with its flag.
    """
    settings = check_section(PromotionsSettings, raw)
    if faults := list(_faults(settings)):
        raise SettingsError("\n".join(faults))
    return settings


def _faults(settings: PromotionsSettings) -> Iterator[str]:
    flag, has_reason = settings.decision, bool((settings.reason or "").strip())
    if settings.promote and settings.rollback:
        yield "--promote and --rollback are both given; a decision is one of them"
    if flag and not settings.name:
        yield f"{flag} needs the NAME under which the model is to serve"
    if flag and not has_reason:
        yield f"{flag} needs --reason TEXT: the record shall say why a person decided"
    if settings.reason and not flag:
        yield "--reason is for --promote or --rollback"


COMMAND = Command(
    name="promotions",
    description=(
        "Show which model serves under each name, and every decision that led there; or decide yourself. "
        'Example: python -m flows.promotions g2p --rollback --reason "wrong stress since Monday"'
    ),
    tree=Tree(PromotionsSettings, check_promotions, title="decision", word="name"),
    options=Options,
    fills_store=False,
)
