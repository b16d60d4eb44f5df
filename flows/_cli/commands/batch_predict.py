"""What a batch prediction is asked for."""

from __future__ import annotations

from flows._cli.command import Command
from flows._cli.settings import BATCH, FlowOptions
from tasks.seq2seq.settings.batch import BatchSettings
from tasks.storage.store.artifact_store import Store


def _check(settings: BatchSettings, options: FlowOptions) -> None:
    from tasks.prediction.batch_check import check_batch  # noqa: PLC0415 - settings are refused without reading files
    from tasks.storage.outputs.output_paths import prepare_output  # noqa: PLC0415 - likewise

    check_batch(settings, Store(options.store))
    if not options.makes_nothing:
        prepare_output(settings)


COMMAND = Command(
    name="batch_predict",
    description=(
        "Predict files with a trained model: every row ends in the predictions or in the rejects. "
        "Example: python -m flows.batch_predict inbox --output predictions --model reverse_first"
    ),
    tree=BATCH,
    options=FlowOptions,
    first=(
        "inputs",
        "output",
        "model",
        "source",
        "format",
        "decoding.method",
        "decoding.n_best",
        "max_reject_rate",
        "runner.workers",
        "dry_run",
    ),
    check=_check,
    fills_store=False,  # a store that can be read is enough
)
