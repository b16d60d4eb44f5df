"""What the making of a dataset is asked for."""

from __future__ import annotations

import re
from pathlib import Path

from pydantic import Field

from flows._cli.command import Command
from flows._cli.settings import EXPERIMENT, FlowOptions
from tasks.seq2seq.errors import SettingsError
from tasks.seq2seq.settings.data import FilesData
from tasks.seq2seq.settings.experiment import Experiment
from tasks.storage.files.atomic import check_writable


class GenerateDatasetsOptions(FlowOptions):
    """The command's own options."""

    output: Path | None = Field(
        None, description="Parquet file to write the training pairs of a synthetic problem to as well"
    )


def _check(experiment: Experiment, options: GenerateDatasetsOptions) -> None:
    from flows._cli.checks import check_data  # noqa: PLC0415 - settings are refused without reading files

    check_data(experiment)
    check_output(experiment, options.output)


def check_output(experiment: Experiment, output: Path | None) -> None:
    """Refuses an output that cannot be written, or that has no pairs of its own to hold.

    Raises:
        SettingsError: with what to do.
    """
    if output and re.match(r"\w+:/", str(output)):
        raise SettingsError(f"--output {output} is a URL, expected a file on this machine, which can be copied there")
    check_writable(output, "--output")
    if output and isinstance(experiment.data, FilesData):
        raise SettingsError(
            f"--output is for the pairs of a synthetic problem; yours are in {experiment.data.train} already"
        )


COMMAND = Command(
    name="generate_datasets",
    description=(
        "Make a dataset: pairs of a synthetic problem, or the user's own files checked, split and encoded. "
        "Example: python -m flows.generate_datasets --data.problem sort --data.n-samples 1000000"
    ),
    tree=EXPERIMENT,
    options=GenerateDatasetsOptions,
    first=(
        "config",
        "name",
        "data.problem",
        "data.n_samples",
        "data.train",
        "data.source",
        "data.target",
        "data.source_encoding",
        "data.target_encoding",
        "dry_run",
    ),
    check=_check,
)
