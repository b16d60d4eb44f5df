"""What the main job is asked for."""

from __future__ import annotations

from pydantic import Field

from flows._cli.command import Command
from flows._cli.settings import EXPERIMENT, FlowOptions
from tasks.seq2seq.settings.experiment import Experiment
from tasks.storage.store.artifact_store import Store


class TrainAndEvalOptions(FlowOptions):
    """The command's own options."""

    require_promotion: bool = Field(False, description="exit 1 where the run's model is not the promoted one")


def _check(experiment: Experiment, options: TrainAndEvalOptions) -> None:
    from flows._cli.checks import check_model  # noqa: PLC0415 - settings are refused without reading files

    check_model(experiment, Store(options.store))


COMMAND = Command(
    name="train_and_eval",
    description=(
        "Train an encoder-decoder LSTM, prove it on held-out pairs, and promote it. Without settings: the tutorial's "
        "problem, 100,000 pairs. Example: python -m flows.train_and_eval --data.n-in 8 --seed 1"
    ),
    tree=EXPERIMENT,
    options=TrainAndEvalOptions,
    first=(
        "config",
        "name",
        "data.train",
        "data.source",
        "data.target",
        "data.source_encoding",
        "data.target_encoding",
        "model.units",
        "training.epochs",
        "dry_run",
    ),
    check=_check,
)
