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

from tasks.runtime.progress import progress
from tasks.seq2seq.errors import Seq2SeqError
from tasks.seq2seq.settings.experiment import Experiment
from tasks.storage.store.artifact_store import Made, Recipe, Store
from tasks.storage.store.manifest import Handle

TASKS_FOLDER = Path(__file__).parent.parent

DATA_CODE = (
    "seq2seq/arrays/aliases.py",
    "seq2seq/data/codecs.py",
    "storage/files/progress.py",
    "generate.py",
    "seq2seq/metrics/accumulators.py",
    "seq2seq/data/collate.py",
    "seq2seq/metrics/forecasts.py",
    "seq2seq/arrays/hashing.py",
    "seq2seq/data/codec_training.py",
    "seq2seq/data/problems.py",
    "seq2seq/data/profile.py",
    "seq2seq/data/synthetic.py",
    "seq2seq/data/scaling.py",
    "seq2seq/arrays/sequences.py",
    "seq2seq/data/splits.py",
    "seq2seq/data/vocabulary.py",
    "seq2seq/data/windows.py",
    "storage/readers/arrow_columns.py",
    "storage/readers/blocks.py",
    "storage/readers/columnar.py",
    "storage/ingest/columns.py",
    "storage/artifacts/dataset.py",
    "storage/readers/delimited.py",
    "storage/artifacts/holdout.py",
    "storage/files/inputs.py",
    "storage/readers/json_lines.py",
    "storage/readers/json_types.py",
    "storage/readers/json_values.py",
    "storage/artifacts/lists.py",
    "storage/readers/npz.py",
    "storage/ingest/pairs.py",
    "storage/readers/user_files.py",
    "storage/ingest/rejects.py",
    "storage/ingest/duplicates.py",
    "storage/ingest/series.py",
    "storage/readers/utf8.py",
)
MODEL_CODE = (
    "seq2seq/arrays/aliases.py",
    "seq2seq/data/codecs.py",
    "seq2seq/models/cells.py",
    "seq2seq/models/input_feeding.py",
    "seq2seq/models/tensors.py",
    "storage/files/progress.py",
    "export.py",
    "evaluate.py",
    "prediction/evaluator.py",
    "initial_weights.py",
    "train.py",
    "seq2seq/models/acceleration.py",
    "seq2seq/models/architecture.py",
    "seq2seq/inference/attention_maps.py",
    "seq2seq/training/callbacks/weight_averaging.py",
    "seq2seq/training/bucketing.py",
    "seq2seq/models/beam.py",
    "seq2seq/training/callbacks/early_stopping.py",
    "seq2seq/cpu.py",
    "seq2seq/metrics/accumulators.py",
    "seq2seq/training/callbacks/time_limit.py",
    "seq2seq/models/decoding.py",
    "seq2seq/arrays/random_draws.py",
    "seq2seq/inference/evaluation.py",
    "seq2seq/export/saved_model.py",
    "seq2seq/data/collate.py",
    "seq2seq/metrics/forecasts.py",
    "seq2seq/arrays/hashing.py",
    "seq2seq/models/hypotheses.py",
    "seq2seq/models/losses.py",
    "seq2seq/models/attention.py",
    "seq2seq/metrics/intervals.py",
    "seq2seq/models/encoder_decoder.py",
    "seq2seq/training/optimizers.py",
    "seq2seq/training/callbacks/reduce_lr.py",
    "seq2seq/training/precision.py",
    "seq2seq/models/predictor.py",
    "seq2seq/models/pretrained_embeddings.py",
    "seq2seq/models/recurrent_stack.py",
    "seq2seq/training/checkpoints.py",
    "seq2seq/data/scaling.py",
    "seq2seq/training/scheduled_sampling.py",
    "seq2seq/metrics/tokens.py",
    "seq2seq/training/seeding.py",
    "seq2seq/models/segments.py",
    "seq2seq/arrays/sequences.py",
    "seq2seq/training/snapshot.py",
    "seq2seq/inference/teacher_forcing.py",
    "seq2seq/training/fit.py",
    "seq2seq/data/vocabulary_mapping.py",
    "seq2seq/training/unrolling.py",
    "seq2seq/export/verification.py",
    "seq2seq/data/vocabulary.py",
    "seq2seq/models/warm_start.py",
    "seq2seq/training/callbacks/history.py",
    "storage/artifacts/bundle.py",
    "storage/artifacts/checkpoint.py",
    "storage/artifacts/dataset.py",
    "storage/artifacts/export.py",
    "storage/artifacts/lists.py",
    "storage/outputs/predictions.py",
    "storage/readers/word_vectors.py",
)
ONNX_CODE = (
    "export_onnx.py",
    "seq2seq/export/saved_model.py",
    "seq2seq/export/onnx_decode.py",
    "seq2seq/export/verification.py",
    "storage/artifacts/export.py",
)
CHECK_CODE = ("check.py", "seq2seq/monitoring/data_checks.py", "seq2seq/monitoring/drift.py")
COMPARE_CODE = (
    "compare.py",
    "storage/artifacts/holdout.py",
)
PREDICT_CODE = (
    "prediction/jobs.py",
    "reporting/figures.py",
    "predict.py",
    "prediction/loaded_model.py",
    "reporting/states_picture.py",
    "seq2seq/settings/batch.py",
    "seq2seq/metrics/accumulators.py",
    "seq2seq/monitoring/drift.py",
    "reporting/projection.py",
    "seq2seq/monitoring/tally.py",
    "storage/outputs/accounts.py",
    "storage/outputs/assembly.py",
    "storage/outputs/chunk_files.py",
    "storage/outputs/writers.py",
    "storage/ingest/row_encoding.py",
    "storage/outputs/chunks.py",
)
REPORT_CODE = ("report.py", "reporting/report.html.jinja", "reporting/figures.py")

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
