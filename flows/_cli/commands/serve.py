"""What serving is asked for."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from pydantic import Field

from flows._cli.checkout import ROOT
from flows._cli.command import Command
from flows._cli.settings import LoggedOptions, Tree
from tasks.seq2seq.errors import SettingsError
from tasks.seq2seq.settings.rules import check_section
from tasks.seq2seq.settings.section import Section
from tasks.seq2seq.settings.where import Where, is_url
from tasks.storage.store.artifact_store import Store

DEPLOYMENTS = ROOT / "prefect.yaml"


class ServeSettings(Section):
    """What is served, and where."""

    deployments: Path = Field(DEPLOYMENTS, description="file such as prefect.yaml, with the deployments")
    port: int = Field(4200, ge=0, lt=2**16, description="port of the own server, on loopback; 0: any that is free")
    pages: int | None = Field(
        None,
        ge=0,
        lt=2**16,
        description="port on loopback that the store's pages are served on as well; 0: any that is free (none)",
    )
    limit: int | None = Field(None, ge=1, description="runs at once, of all deployments together (any number)")


class ServeOptions(LoggedOptions):
    """The command's own options."""

    store: Where = Field(
        ROOT / "data" / "artifacts",
        description="folder of the artifact store, or its URL, for deployments that name none",
    )

    @property
    def named_store(self) -> Where | None:
        """The store, where it is not only the default."""
        return self.store if "store" in self.model_fields_set else None


def _check(settings: ServeSettings, options: ServeOptions) -> None:
    """Only a store that is named: the checkout's own may be closed to whoever serves runs with stores of their own."""
    if settings.pages is not None and is_url(str(options.store)):
        raise SettingsError(f"--pages is for a store on this machine, but {options.store} is in an object store")
    if options.named_store:
        Store(options.named_store).prepare()


COMMAND = Command(
    name="serve",
    description=(
        "Serve the deployments of prefect.yaml: run them by their schedules, and whenever Prefect's UI or "
        "`prefect deployment run` asks. Where PREFECT_API_URL is not set, a Prefect server with its UI runs as long. "
        "Example: python -m flows.serve --limit 2"
    ),
    tree=Tree(ServeSettings, partial(check_section, ServeSettings), title="deployments"),
    options=ServeOptions,
    check=_check,
    fills_store=False,
)
