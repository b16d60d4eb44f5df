"""What a run would do: which steps are in the store, which would be made, and why. It makes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from flows._summary import print_table
from tasks.check import checks_recipe
from tasks.evaluate import evaluation_recipe
from tasks.export import bundle_recipe
from tasks.generate import dataset_recipe
from tasks.report import report_recipe
from tasks.seq2seq.settings import Experiment
from tasks.storage.manifest import Handle
from tasks.storage.promotions import read_promotions
from tasks.storage.store import Recipe, Store
from tasks.train import find_start, training_recipe


class Planned(NamedTuple):
    """A step that a run would come to; `why` it would be made, or where it was found."""

    name: str
    cached: bool
    why: str


class _Step(NamedTuple):
    """A step, the steps that it is made from, and its recipe from their digests."""

    name: str
    inputs: tuple[str, ...]
    recipe: Callable[..., Recipe]


def _steps(experiment: Experiment, store: Store) -> Iterator[_Step]:
    yield _Step("dataset", (), lambda: dataset_recipe(experiment, store))
    yield _Step("checks", ("dataset",), lambda dataset: checks_recipe(experiment, dataset, store))
    yield _Step(
        "training",
        ("dataset",),
        lambda dataset: training_recipe(experiment, dataset, find_start(experiment, dataset, store)),
    )
    yield _Step("bundle", ("dataset", "training"), lambda *digests: bundle_recipe(experiment, *digests))
    yield _Step("evaluation", ("dataset", "bundle"), lambda *digests: evaluation_recipe(experiment, *digests))
    made_from = ("dataset", "checks", "training", "bundle", "evaluation")
    yield _Step(
        "report", made_from, lambda *digests: _report(experiment, dict(zip(made_from, digests, strict=True)), store)
    )


def _report(experiment: Experiment, digests: dict[str, str], store: Store) -> Recipe:
    decision = read_promotions(store, experiment.promotion_name).decision_of(digests["bundle"])
    said = {"passed": decision.promoted, "reason": decision.reason} if decision else {}
    return report_recipe(experiment, digests, said)


ALL = ("dataset", "checks", "training", "bundle", "evaluation", "report")


def plan_steps(
    experiment: Experiment, store: Path, *, refresh: bool = False, names: Sequence[str] = ALL
) -> list[Planned]:
    """Looks at the steps in their order, and checks the artifacts that are there.

    Args:
        experiment: what the run would be of.
        store: folder of the artifact store, which need not exist.
        refresh: whether all would be made again.
        names: of the steps that the run has.
    """
    digests: dict[str, str] = {}
    planned = []
    for step in _steps(experiment, Store(store)):
        if step.name in names:
            found = _look_for(step, digests, Store(store), refresh=refresh)
            if isinstance(found, Handle):
                digests[step.name] = found.digest
                planned.append(Planned(step.name, cached=True, why=str(found.path)))
            else:
                planned.append(Planned(step.name, cached=False, why=found))
    return planned


def _look_for(step: _Step, digests: dict[str, str], store: Store, *, refresh: bool) -> Handle | str:
    if refresh:
        return "a refresh was asked for"
    unknown = next((name for name in step.inputs if name not in digests), None)
    if unknown:
        return f"its {unknown} would be made"
    return store.find(step.recipe(*(digests[name] for name in step.inputs)))


def show_planned(planned: Sequence[Planned]) -> None:
    """Prints the steps and what would be done."""
    print_table(
        {"step": "left", "": "left", "why, or where": "left"},
        [(step.name, "cached" if step.cached else "would be made", step.why) for step in planned],
    )
    n = sum(not step.cached for step in planned)
    again = "; one that comes out as before leaves those after it cached" if 0 < n < len(planned) else ""
    print(f"dry run: nothing was made; {n} of {len(planned)} steps would be{again}")
