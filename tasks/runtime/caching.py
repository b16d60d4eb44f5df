"""A step made once: what it depends on, the checked hit, and the lock around making it.

The store decides what is cached and Prefect shows it: tasks run with `NO_CACHE` and without persisted
results, and a task whose artifact was found ends in a state named Cached.
"""

from __future__ import annotations

import importlib.metadata
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, cast

from prefect import Task
from prefect.cache_policies import NO_CACHE
from prefect.states import Completed, State

from tasks.runtime.code import code_digest
from tasks.runtime.log import logger
from tasks.runtime.progress import progress
from tasks.seq2seq.errors import Seq2SeqError
from tasks.seq2seq.settings.experiment import Experiment
from tasks.seq2seq.settings.section import Section
from tasks.storage.store.artifact_store import Store
from tasks.storage.store.making import Made, StepInputs
from tasks.storage.store.manifest import Handle


def step_inputs(
    kind: str,
    experiment: Experiment,
    *,
    settings: dict[str, Any],
    made_from: dict[str, str],
    code: str,
    libraries: tuple[str, ...],
) -> StepInputs:
    """What a step's artifact is made of.

    Args:
        kind: of the artifact.
        experiment: the whole experiment, for the record; it is not in the key.
        settings: those that the result depends on.
        made_from: digests of the artifacts and files that it is made from.
        code: the module that makes it; what this imports counts too.
        libraries: those whose version can change it.
    """
    return StepInputs(
        kind=kind,
        depends_on={"settings": settings, "code": code_digest(code)},
        made_from=made_from,
        experiment=experiment.model_dump(mode="json"),
        versions={name: importlib.metadata.version(name) for name in libraries},
    )


def values_of(section: Section, exclude: Collection[str] = ()) -> dict[str, Any]:
    """The settings of a section and what it computes from them, for a key: the code of settings itself is in none."""
    computed = [
        name
        for kind in type(section).__mro__
        if kind.__module__.startswith("tasks.")
        for name, member in vars(kind).items()
        if isinstance(member, property) and name not in exclude
    ]
    stated = section.model_dump(mode="json", exclude=set(exclude))
    return {**stated, **{name: getattr(section, name) for name in computed}}


def make_once(step: StepInputs, store: Store, write: Callable[[Path], Made], *, refresh: bool = False) -> Handle:
    """The artifact of a step: found and checked, or made now.

    Two runs that come for the same step at once make it once: the second waits and finds it.
    """
    began = time.perf_counter()
    logger().debug("%s: key %s, made from %s, depends on %s", step.kind, step.key, step.made_from, step.depends_on)
    with progress(step.kind), store.lock(step):
        found = "a refresh was asked for" if refresh else store.find(step)
        if isinstance(found, Handle):
            handle, cached = found, True
        else:
            logger().info("Making %s: %s", step.kind, found)
            handle, cached = store.make(step, write), False
    return handle.model_copy(update={"cached": cached, "seconds": time.perf_counter() - began})


def finished(handle: Handle) -> Handle:
    """What a task returns last: the handle, or the state that lets Prefect show it as Cached, and holds the handle."""
    if not handle.cached:
        return handle
    return cast("Handle", Completed(name="Cached", data=handle, message=f"Found {handle.path}"))


def run_step(task: Task[..., Any], *arguments: Any, **keywords: Any) -> Any:  # noqa: ANN401
    """Calls a task in a flow and gives its result, the same on a hit and on a miss.

    A direct call gives a `State` on a hit; asking for the state and unwrapping it does not.
    """
    return task(*arguments, return_state=True, **keywords).result()


def make_step(task: Task[..., Any], *arguments: Any, **keywords: Any) -> Any:  # noqa: ANN401
    """Does what a task does where there is no flow, and no server that would hear of it; gives its result."""
    result = task.fn(*arguments, **keywords)
    return result.data if isinstance(result, State) else result


def _is_worth_a_retry(_task: Any, _run: Any, state: State[Any]) -> bool:  # noqa: ANN401
    """Trouble of the system may pass; what the user or the code got wrong will not."""
    error = state.result(raise_on_failure=False)
    return isinstance(error, OSError) and not isinstance(error, Seq2SeqError)


TASK_OPTIONS: dict[str, Any] = {
    "cache_policy": NO_CACHE,
    "persist_result": False,
    "retries": 2,
    "retry_delay_seconds": [1, 10],
    "retry_condition_fn": _is_worth_a_retry,
}
