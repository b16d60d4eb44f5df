"""What a run would do: which steps are in the store, which would be made, and why. It makes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from flows._cli.summary import print_table
from tasks.check import checks_recipe
from tasks.evaluate import evaluation_recipe
from tasks.export import bundle_recipe
from tasks.export_onnx import onnx_recipe
from tasks.generate import dataset_recipe
from tasks.initial_weights import find_start
from tasks.report import report_recipe
from tasks.seq2seq.settings.experiment import Experiment
from tasks.storage.store.artifact_store import Recipe, Store
from tasks.storage.store.manifest import Handle
from tasks.storage.store.promotions import Decision, read_promotions
from tasks.train import training_recipe


class Planned(NamedTuple):
    """A step that a run would come to; `why` it would be made, or where it was found."""

    name: str
    cached: bool
    why: str


class _Step(NamedTuple):
    """A step, the steps that it comes after, and how it is looked for, given the digests of those."""

    name: str
    inputs: tuple[str, ...]
    look: Callable[..., Handle | Decision | str]


ALL = ("dataset", "checks", "training", "bundle", "evaluation", "promotion", "report", "onnx")


def _steps(experiment: Experiment, store: Store) -> Iterator[_Step]:
    def by(recipe: Callable[..., Recipe]) -> Callable[..., Handle | str]:
        return lambda *digests: store.find(recipe(experiment, *digests))

    def training(dataset: str) -> Handle | str:
        return store.find(training_recipe(experiment, dataset, find_start(experiment, dataset, store)))

    def decision(bundle: str) -> Decision | str:
        decisions = read_promotions(store, experiment.promotion_name)
        return decisions.decision_of(bundle) or f"nothing was decided about it as {experiment.promotion_name!r}"

    def report(*digests: str) -> Handle | str:
        made_from = dict(zip(ALL[:5], digests, strict=False))
        decided = decision(made_from["bundle"])
        assert isinstance(decided, Decision)
        said = {"passed": decided.promoted, "reason": decided.reason}
        return store.find(report_recipe(experiment, made_from, said))

    yield _Step("dataset", (), lambda: store.find(dataset_recipe(experiment, store)))
    yield _Step("checks", ("dataset",), lambda dataset: store.find(checks_recipe(experiment, dataset, store)))
    yield _Step("training", ("dataset",), training)
    yield _Step("bundle", ("dataset", "training"), by(bundle_recipe))
    yield _Step("evaluation", ("dataset", "bundle"), by(evaluation_recipe))
    yield _Step("promotion", ("bundle", "evaluation"), lambda bundle, _evaluation: decision(bundle))
    yield _Step("report", ALL[:6], report)
    if experiment.export.onnx:
        yield _Step("onnx", ("dataset", "bundle"), by(onnx_recipe))


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
            found = _look_for(step, digests, refresh=refresh)
            if isinstance(found, str):
                planned.append(Planned(step.name, cached=False, why=found))
            else:
                digests[step.name] = found.digest if isinstance(found, Handle) else found.model
                why = str(found.path) if isinstance(found, Handle) else found.reason
                planned.append(Planned(step.name, cached=True, why=why))
    return planned


def _look_for(step: _Step, digests: dict[str, str], *, refresh: bool) -> Handle | Decision | str:
    if refresh:
        return "a refresh was asked for"
    unknown = next((name for name in step.inputs if name not in digests), None)
    return f"its {unknown} would be made" if unknown else step.look(*(digests[name] for name in step.inputs))


def show_planned(planned: Sequence[Planned]) -> None:
    """Prints the steps and what would be done."""
    print_table(
        {"step": "left", "": "left", "why, or where": "left"},
        [(step.name, "cached" if step.cached else "would be made", step.why) for step in planned],
    )
    n = sum(not step.cached for step in planned)
    again = "; one that comes out as before leaves those after it cached" if 0 < n < len(planned) else ""
    print(f"dry run: nothing was made; {n} of {len(planned)} steps would be{again}")
