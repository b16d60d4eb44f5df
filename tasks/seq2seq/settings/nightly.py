"""What a nightly run is asked for: an experiment, and the files that its model predicts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import Field

from tasks.seq2seq.errors import SettingsError
from tasks.seq2seq.settings.batch import BatchSettings, check_batch_settings
from tasks.seq2seq.settings.experiment import Experiment
from tasks.seq2seq.settings.rules import Rule, check_experiment


class NightlySettings(Experiment):
    """An experiment, and a batch prediction with the model that is promoted under its name."""

    predict: BatchSettings = Field(description="what is predicted, once the model is decided upon")

    @property
    def experiment(self) -> Experiment:
        """The experiment alone."""
        return Experiment.model_validate(self.model_dump(exclude={"predict"}))

    @property
    def batch(self) -> BatchSettings:
        """The batch prediction, with the experiment's model."""
        return self.predict.model_copy(update={"model": self.promotion_name})


def check_nightly_settings(raw: Mapping[str, Any], also: Iterable[Rule] = ()) -> NightlySettings:
    """The nightly run that `raw` describes.

    Args:
        raw: nested dictionaries as TOML, flags and the environment give them.
        also: rules that look at files, as `check_experiment` takes them.

    Raises:
        SettingsError: naming every fault, each with its key.
    """
    rest = {name: value for name, value in raw.items() if name != "predict"}
    faults: list[str] = []
    try:
        experiment = check_experiment(rest, also)
    except SettingsError as error:
        experiment = None
        faults.append(str(error))
    batch = None
    try:
        batch = check_batch_settings(raw.get("predict", {}))
        if batch.model is not None:
            faults.append(
                f"predict.model is {batch.model!r}, but a night predicts with the model that is promoted under the "
                f"experiment's name; leave it out, or use python -m flows.batch_predict"
            )
        elif experiment:
            batch.decoding_of(experiment)
    except SettingsError as error:
        faults += [_in_section(fault) for fault in str(error).splitlines()]
    if faults or experiment is None or batch is None:
        raise SettingsError("\n".join(faults))
    return NightlySettings(**{name: getattr(experiment, name) for name in experiment.model_fields_set}, predict=batch)


def _in_section(fault: str) -> str:
    if fault.startswith("no INPUT"):
        return "predict.inputs is required: name files, folders or patterns to predict"
    return f"predict.{fault.removeprefix('--')}"
