"""What does the work of a run: threads, worker processes, or the workers of a Dask cluster."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from pydantic import Field

from tasks.seq2seq.settings.section import Section

RunnerKind = Literal["threads", "processes", "dask"]


class RunnerSettings(Section):
    """Who works, and how many; results do not depend on it."""

    kind: RunnerKind = Field(
        "threads",
        description="threads of this process; worker processes, one of which may die by a file, which then fails, and "
        "the others go on; or the workers of a Dask cluster",
    )
    address: str | None = Field(
        None,
        min_length=1,
        description="with dask: the scheduler's, such as tcp://10.0.0.1:8786 (a cluster of this machine, for this run)",
    )
    workers: int | None = Field(
        None,
        ge=1,
        le=1_000,
        description="things done at once (one a core; all threads of a cluster with an address)",
    )


def runner_faults(settings: RunnerSettings) -> Iterator[str]:
    """What does not fit within the section."""
    if settings.address is not None and settings.kind != "dask":
        yield (
            f"runner.address is {settings.address!r}, but runner.kind is {settings.kind!r}, which has none; set "
            f'runner.kind to "dask", or leave the address out'
        )


def renamed_faults(raw: Mapping[str, Any]) -> Iterator[str]:
    """Settings of before the section, each with its new name."""
    if "workers" in raw:
        yield "workers is now runner.workers"
    if isinstance(raw.get("runner"), str):
        yield f"runner is now a section: set runner.kind to {raw['runner']!r}"
