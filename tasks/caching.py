"""A step made once: what it depends on, the checked hit, and the lock around making it.

The store decides what is cached and Prefect shows it: tasks run with `NO_CACHE` and without persisted
results, and a task whose artifact was found ends in a state named Cached.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import io
import time
import tokenize
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from prefect import Task
from prefect.cache_policies import NO_CACHE
from prefect.logging import get_run_logger
from prefect.logging.loggers import get_logger
from prefect.states import Completed, State

from tasks.progress import progress
from tasks.seq2seq.errors import Seq2SeqError
from tasks.seq2seq.settings import Experiment
from tasks.storage.manifest import Handle
from tasks.storage.store import Made, Recipe, Store

TASKS_FOLDER = Path(__file__).parent

DATA_CODE = (
    "generate.py",
    "seq2seq/counts.py",
    "seq2seq/feeding.py",
    "seq2seq/forecasting.py",
    "seq2seq/hashing.py",
    "seq2seq/intake.py",
    "seq2seq/problems.py",
    "seq2seq/profile.py",
    "seq2seq/sampling.py",
    "seq2seq/scaling.py",
    "seq2seq/sequences.py",
    "seq2seq/splitting.py",
    "seq2seq/vocabulary.py",
    "seq2seq/windows.py",
    "storage/arrow_columns.py",
    "storage/blocks.py",
    "storage/columnar.py",
    "storage/columns.py",
    "storage/datasets.py",
    "storage/delimited.py",
    "storage/holdouts.py",
    "storage/inputs.py",
    "storage/json_lines.py",
    "storage/json_types.py",
    "storage/json_values.py",
    "storage/lists.py",
    "storage/npz.py",
    "storage/pair_files.py",
    "storage/readers.py",
    "storage/rejects.py",
    "storage/repeats.py",
    "storage/series_files.py",
    "storage/utf8.py",
)
MODEL_CODE = (
    "export.py",
    "evaluate.py",
    "judging.py",
    "starting.py",
    "train.py",
    "seq2seq/acceleration.py",
    "seq2seq/architecture.py",
    "seq2seq/attention_maps.py",
    "seq2seq/averaging.py",
    "seq2seq/batching.py",
    "seq2seq/beam.py",
    "seq2seq/best.py",
    "seq2seq/cores.py",
    "seq2seq/counts.py",
    "seq2seq/deadline.py",
    "seq2seq/decoding.py",
    "seq2seq/drawing.py",
    "seq2seq/evaluation.py",
    "seq2seq/exports.py",
    "seq2seq/feeding.py",
    "seq2seq/forecasting.py",
    "seq2seq/hashing.py",
    "seq2seq/hypotheses.py",
    "seq2seq/losses.py",
    "seq2seq/layers.py",
    "seq2seq/metrics.py",
    "seq2seq/models.py",
    "seq2seq/optimizing.py",
    "seq2seq/plateau.py",
    "seq2seq/precision.py",
    "seq2seq/predictor.py",
    "seq2seq/pretrained.py",
    "seq2seq/recurrent.py",
    "seq2seq/resuming.py",
    "seq2seq/scaling.py",
    "seq2seq/scheduled_sampling.py",
    "seq2seq/scoring.py",
    "seq2seq/seeding.py",
    "seq2seq/segments.py",
    "seq2seq/sequences.py",
    "seq2seq/snapshot.py",
    "seq2seq/teacher_forcing.py",
    "seq2seq/training.py",
    "seq2seq/translation.py",
    "seq2seq/unrolling.py",
    "seq2seq/verification.py",
    "seq2seq/vocabulary.py",
    "seq2seq/warm_start.py",
    "seq2seq/watching.py",
    "storage/bundles.py",
    "storage/checkpoints.py",
    "storage/datasets.py",
    "storage/exports.py",
    "storage/lists.py",
    "storage/predictions.py",
    "storage/word_vectors.py",
)
ONNX_CODE = (
    "export_onnx.py",
    "seq2seq/exports.py",
    "seq2seq/onnx_decode.py",
    "seq2seq/verification.py",
    "storage/exports.py",
)
CHECK_CODE = ("check.py", "seq2seq/checks.py", "seq2seq/drift.py")
COMPARE_CODE = (
    "compare.py",
    "storage/holdouts.py",
)
PREDICT_CODE = (
    "planning.py",
    "figures.py",
    "predict.py",
    "serving.py",
    "states_picture.py",
    "seq2seq/batch_settings.py",
    "seq2seq/counts.py",
    "seq2seq/drift.py",
    "seq2seq/projection.py",
    "seq2seq/tally.py",
    "storage/accounts.py",
    "storage/assembly.py",
    "storage/chunk_files.py",
    "storage/outputs.py",
    "storage/reading.py",
    "storage/staging.py",
)
REPORT_CODE = ("report.py", "report.html.jinja", "figures.py")

_BLOCKS = (tokenize.INDENT, tokenize.DEDENT, tokenize.NEWLINE)  # what they are counts, not how they are written


@cache
def code_digest(files: tuple[str, ...], folder: Path = TASKS_FOLDER) -> str:
    """The digest of what these files do: comments and layout do not count in Python code."""
    digest = hashlib.sha256()
    for name in files:
        text = (folder / name).read_text(encoding="utf-8")
        digest.update(f"{name}\0{_without_layout(text) if name.endswith('.py') else text}\0".encode())
    return digest.hexdigest()


def _without_layout(source: str) -> str:
    """The tokens of Python code without comments and blank lines.

    Not its syntax tree: before Python 3.11.8 and 3.12.2 one fails now and then while another thread makes one
    (CPython's issue 106905), and libraries are imported by a thread.
    """
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return "\0".join(
        tokenize.tok_name[token.type] if token.type in _BLOCKS else token.string
        for token in tokens
        if token.type not in (tokenize.COMMENT, tokenize.NL)
    )


def recipe(
    kind: str,
    experiment: Experiment,
    *,
    settings: dict[str, Any],
    made_from: dict[str, str],
    code: tuple[str, ...],
    libraries: tuple[str, ...],
) -> Recipe:
    """What a step's artifact is made of.

    Args:
        kind: of the artifact.
        experiment: the whole experiment, for the record; it is not in the key.
        settings: those that the result depends on.
        made_from: digests of the artifacts and files that it is made from.
        code: the files below tasks/ that make it.
        libraries: those whose version can change it.
    """
    return Recipe(
        kind=kind,
        depends_on={"settings": settings, "code": code_digest(code)},
        made_from=made_from,
        experiment=experiment.model_dump(mode="json"),
        versions={name: importlib.metadata.version(name) for name in libraries},
    )


def make_once(step: Recipe, store: Store, write: Callable[[Path], Made], *, refresh: bool = False) -> Handle:
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
            handle, cached = store.make(step, write, time.perf_counter), False
    return handle.model_copy(update={"cached": cached, "seconds": time.perf_counter() - began})


def finished(handle: Handle) -> Any:  # noqa: ANN401 - Handle or State[Handle], which a task may return alike
    """What a task returns last: the handle, or the state that lets Prefect show it as Cached."""
    if not handle.cached:
        return handle
    state: State[Handle] = Completed(name="Cached", data=handle, message=f"Found {handle.path}")
    return state


def run_step(task: Task[..., Any], *arguments: Any, **keywords: Any) -> Any:  # noqa: ANN401
    """Calls a task in a flow and gives its result, the same on a hit and on a miss.

    A direct call gives a `State` on a hit; asking for the state and unwrapping it does not.
    """
    return task(*arguments, return_state=True, **keywords).result()


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


def logger() -> Any:  # noqa: ANN401 - Prefect's loggers and adapters
    """The run's logger, whose lines Prefect keeps with the run; outside of one, a plain one."""
    try:
        return get_run_logger()
    except RuntimeError:
        return get_logger("tasks")
