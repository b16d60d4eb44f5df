"""What a sweep is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flows._cli.command import Command
from flows._cli.commands.train_and_eval import TrainAndEvalOptions
from flows._cli.settings import FILE_RULES, Tree
from tasks.seq2seq.settings.sweep import SweepSettings
from tasks.storage.store.artifact_store import Store


def check_sweep(raw: Mapping[str, Any]) -> SweepSettings:
    """The sweep that `raw` describes.

    Raises:
        SettingsError: naming every fault, each with its key.
    """
    from tasks.seq2seq.sweep.check import check_sweep_settings  # noqa: PLC0415 - other commands need no metrics

    return check_sweep_settings(raw, FILE_RULES)


def _check(settings: SweepSettings, options: TrainAndEvalOptions) -> None:
    from flows._cli.checks import check_model  # noqa: PLC0415 - settings are refused without reading files
    from tasks.runtime.packages import check_optuna  # noqa: PLC0415 - likewise

    check_optuna()
    check_model(settings.experiment, Store(options.store))


COMMAND = Command(
    name="sweep",
    description=(
        "Try settings of an experiment, rank them on the validation pairs, and let the best serve if its gate passes "
        "it. What is tried stands in the file's [sweep]. "
        """Example: python -m flows.sweep --sweep.space '{"model.units": [64, 128]}' --sweep.trials 2"""
    ),
    tree=Tree(SweepSettings, check_sweep),
    options=TrainAndEvalOptions,
    first=(
        "config",
        "name",
        "data.train",
        "data.target",
        "sweep.space",
        "sweep.trials",
        "sweep.metric",
        "sweep.time_limit",
        "sweep.workers",
        "dry_run",
    ),
    check=_check,
)
