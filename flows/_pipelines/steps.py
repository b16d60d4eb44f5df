"""Steps declared once: what each makes, from what, and what it takes. Running, planning and loading read one table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from prefect import Task

from flows._cli.start import load_tensorflow
from tasks.runtime.caching import make_step, run_step
from tasks.runtime.log import logger
from tasks.seq2seq.settings.experiment import Experiment
from tasks.seq2seq.settings.where import Where
from tasks.storage.store.artifact_store import Store
from tasks.storage.store.making import StepInputs
from tasks.storage.store.manifest import Handle
from tasks.storage.store.promotions import Decision

Results = dict[str, Any]  # what each step gave, by its name
# What a step's artifact is made of, given the digests of what the steps before it made.
Key = Callable[[Experiment, Mapping[str, str], Store], StepInputs]
Find = Callable[[Experiment, Mapping[str, str], Store], Handle | Decision | str]


@dataclass(frozen=True)
class Step:
    """A step of a pipeline.

    Args:
        name: under which its result is known.
        task: `task(experiment, *results of needs, store)`; a step with a key takes `refresh` too.
        needs: the steps whose results it takes, in the order of the task's arguments.
        key: what its artifact is made of; None for a step that is always run.
        find: where a step without a key leaves something to be found: that, or why there is nothing.
        loads_tensorflow: whether making it takes TensorFlow.
        is_wanted: whether the experiment asks for it.
        is_shown: whether its time and place are told with the result.
        outcome: what came of it in a line of the log; None for what needs none.
    """

    name: str
    task: Task[..., Any]
    needs: tuple[str, ...] = ()
    key: Key | None = None
    find: Find | None = None
    loads_tensorflow: bool = False
    is_wanted: Callable[[Experiment], bool] = lambda _experiment: True
    is_shown: bool = True
    outcome: Callable[[Any], str] | None = None

    @property
    def can_be_found(self) -> bool:
        """Whether something of it stays that a later run may find."""
        return self.key is not None or self.find is not None

    def look(self, experiment: Experiment, digests: Mapping[str, str], store: Store) -> Handle | Decision | str:
        """What an earlier run left of it, checked; or why there is nothing."""
        if self.find:
            return self.find(experiment, digests, store)
        assert self.key is not None
        return store.find(self.key(experiment, digests, store))


def wanted(steps: Sequence[Step], experiment: Experiment) -> list[Step]:
    """The steps that the experiment asks for."""
    return [step for step in steps if step.is_wanted(experiment)]


def run_steps(steps: Sequence[Step], experiment: Experiment, store: Where, *, refresh: bool) -> Results:
    """Makes what is not made yet, in the order of the steps; call it inside a flow."""
    results: Results = {}
    for step in wanted(steps, experiment):
        if step.loads_tensorflow and (refresh or needs_tensorflow(steps, experiment, Store(store))):
            load_tensorflow()
        options = {"refresh": refresh} if step.key else {}
        given = [results[name] for name in step.needs]
        results[step.name] = run_step(step.task, experiment, *given, store, **options)
        _tell(step, results[step.name])
    return results


def _tell(step: Step, result: Any) -> None:  # noqa: ANN401 - whatever the step gives
    if step.outcome:
        was_there = " (it was there)" if isinstance(result, Handle) and result.cached else ""
        logger().info("%s: %s%s", step.name.capitalize(), step.outcome(result), was_there)


def make_steps(
    steps: Sequence[Step], experiment_of: Callable[[Step], Experiment], store: Where, *, refresh: bool
) -> Results:
    """The same without a flow, each step with an experiment of its own; all of them have a key."""
    results: Results = {}
    for step in steps:
        given = [results[name] for name in step.needs]
        results[step.name] = make_step(step.task, experiment_of(step), *given, store, refresh=refresh)
    return results


def find_steps(
    steps: Sequence[Step], experiment_of: Callable[[Step], Experiment], store: Store, found: Results
) -> Results | None:
    """What `make_steps` would give, if all of it is there; it makes nothing.

    Args:
        steps: of the pipeline, which all have a key.
        experiment_of: the experiment of each.
        store: where it is looked for.
        found: results that were found before, and need not be checked again.
    """
    results = dict(found)
    for step in steps:
        if step.name not in results:
            digests = {name: handle.digest for name, handle in results.items()}
            handle = step.look(experiment_of(step), digests, store)
            if not isinstance(handle, Handle):
                return None
            results[step.name] = handle
    return results


def shown(steps: Sequence[Step], results: Results) -> list[Handle]:
    """The artifacts whose time and place are told, in the order in which they were made."""
    told = [results[step.name] for step in steps if step.is_shown and step.name in results]
    return [result for result in told if isinstance(result, Handle)]


class Planned(NamedTuple):
    """A step that a run would come to; `why` it would be made, or where it was found."""

    name: str
    cached: bool
    why: str


def plan_steps(steps: Sequence[Step], experiment: Experiment, store: Where, *, refresh: bool = False) -> list[Planned]:
    """Looks at the steps in their order, and checks the artifacts that are there; it makes nothing.

    Args:
        steps: of the pipeline.
        experiment: what the run would be of.
        store: folder of the artifact store, which need not exist.
        refresh: whether all would be made again.
    """
    digests: dict[str, str] = {}
    planned = []
    for step, missing in _findable(steps, experiment, digests):
        if refresh:
            found: Handle | Decision | str = "a refresh was asked for"
        else:
            found = f"its {missing} would be made" if missing else step.look(experiment, digests, Store(store))
        if isinstance(found, str):
            planned.append(Planned(step.name, cached=False, why=found))
        else:
            digests[step.name] = found.digest if isinstance(found, Handle) else found.model
            why = str(found.path) if isinstance(found, Handle) else found.reason
            planned.append(Planned(step.name, cached=True, why=why))
    return planned


def needs_tensorflow(steps: Sequence[Step], experiment: Experiment, store: Store) -> bool:
    """Whether a step that takes TensorFlow is not in the store's index."""
    digests: dict[str, str] = {}
    for step, missing in _findable(steps, experiment, digests):
        if step.key is None:
            continue
        digest = None if missing else store.peek(step.key(experiment, digests, store))
        if digest:
            digests[step.name] = digest
        elif step.loads_tensorflow:
            return True
    return False


def _findable(
    steps: Sequence[Step], experiment: Experiment, digests: Mapping[str, str]
) -> Iterator[tuple[Step, str | None]]:
    """The steps of which something can be found, each with the first of its inputs that was not."""
    asked = {step.name: step for step in wanted(steps, experiment)}
    for step in asked.values():
        if step.can_be_found:
            inputs = [name for name in step.needs if asked[name].can_be_found]
            yield step, next((name for name in inputs if name not in digests), None)
