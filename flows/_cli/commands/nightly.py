"""What a night is asked for."""

from __future__ import annotations

from pydantic import Field

from flows._cli.command import Command
from flows._cli.settings import NIGHTLY, FlowOptions
from tasks.seq2seq.errors import DataError
from tasks.seq2seq.settings.nightly import NightlySettings
from tasks.storage.store.artifact_store import Store


class NightlyOptions(FlowOptions):
    """The command's own options."""

    require_promotion: bool = Field(False, description="exit 1 where the night's model is not the promoted one")


def _check(settings: NightlySettings, options: NightlyOptions) -> None:
    from flows._cli.checks import check_model  # noqa: PLC0415 - settings are refused without reading files
    from tasks.storage.outputs.output_paths import check_output_folder, list_places, prepare_output  # noqa: PLC0415 - likewise
    from tasks.storage.store.promotions import read_promotions  # noqa: PLC0415 - likewise

    store = Store(options.store)
    try:
        check_model(settings.experiment, store)
    except DataError:
        # Files that cannot be learned from, or are still being written: the promoted model predicts all the same, and
        # the night fails at its end.
        if read_promotions(store, settings.promotion_name).promoted is None:
            raise
    check_output_folder(settings.batch)
    list_places(settings.batch)
    if not options.makes_nothing:
        prepare_output(settings.batch)


COMMAND = Command(
    name="nightly",
    description=(
        "Train on new data, judge the new model against the promoted one, and predict every new file with the one "
        "that then serves. Example: python -m flows.nightly --predict.inputs inbox --predict.output predictions"
    ),
    tree=NIGHTLY,
    options=NightlyOptions,
    first=(
        "config",
        "name",
        "data.train",
        "data.source",
        "data.target",
        "training.epochs",
        "predict.inputs",
        "predict.output",
        "notify",
        "dry_run",
    ),
    check=_check,
)
