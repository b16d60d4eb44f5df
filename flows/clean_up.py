"""The flow of a scheduled clean-up; by hand it is `python -m flows.store prune`."""

from __future__ import annotations

import sys

if __name__ == "__main__" and not __package__:  # a script cannot import what is ours
    print("refused: in the folder of the checkout, type: python -m flows.store prune", file=sys.stderr)
    sys.exit(2)

from prefect import flow

from flows._cli.checkout import ROOT, from_root
from flows._cli.command import Summary
from flows._cli.notify import tell_of_failure
from flows._cli.settings import absolute_paths
from tasks.clean_up import clean_up_store
from tasks.runtime.caching import run_step
from tasks.seq2seq.settings.pruning import PruneSettings
from tasks.seq2seq.settings.where import Where


@flow(
    name="clean-up",
    flow_run_name="clean up {store}",
    persist_result=False,
    on_failure=[tell_of_failure],
    on_crashed=[tell_of_failure],
)
def clean_up(settings: PruneSettings, store: Where = ROOT / "data" / "artifacts", notify: str | None = None) -> Summary:  # noqa: ARG001 - the hooks read it
    """Removes what is old, too large or replaced, never what serves or is in use.

    Args:
        settings: what may go
        store: folder of the artifact store
        notify: notification block that hears of a failed run, such as slack-webhook/team
    """
    given = absolute_paths(settings.model_dump(mode="json", exclude_unset=True), ROOT)
    summary: Summary = run_step(clean_up_store, PruneSettings.model_validate(given), from_root(store))
    return summary
