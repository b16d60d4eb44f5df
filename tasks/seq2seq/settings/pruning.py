"""What a clean-up of the store is asked to remove."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from tasks.seq2seq.settings.section import Section


class PruneSettings(Section):
    """What may go; of artifacts nothing, unless one of the first four says so."""

    older_than: float | None = Field(None, ge=0, description="what was made more days ago may go (none)")
    max_gib: float | None = Field(
        None, ge=0, description="the oldest may go until all artifacts have this many GiB at most (none)"
    )
    keep_models: int | None = Field(
        None,
        ge=0,
        description="of each name, models beside the one that serves and the newest N may go, with all that was made "
        "for them only (none)",
    )
    replaced: bool = Field(False, description="what no step finds any more, since it made another one, may go")
    keep_origins: bool = Field(True, description="what anything that stays was made from stays too")
    unfinished_days: float = Field(
        7.0, ge=0, description="days after which checkpoints and chunks of killed runs go, if nobody went on with them"
    )
    outputs: tuple[Path, ...] = Field(
        (),
        description="folders of predictions, once for each: prune looks there for chunks of killed runs, pages for "
        "accounts",
    )
