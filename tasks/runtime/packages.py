"""Packages that only some settings take, looked for before any work starts; none of them is imported."""

from __future__ import annotations

import importlib.util

from tasks.seq2seq.errors import SettingsError
from tasks.seq2seq.settings.experiment import Experiment
from tasks.storage.files.atomic import check_folder


def check_tensorboard(experiment: Experiment) -> None:
    """Refuses to write logs for TensorBoard where they cannot be written, before any work starts.

    Raises:
        SettingsError: the package is missing, or the folder cannot be one.
    """
    folder = experiment.training.tensorboard
    if folder is None:
        return
    if importlib.util.find_spec("tensorboard") is None:
        raise SettingsError(
            f"training.tensorboard is {folder}, but the package tensorboard is not installed; install it with: "
            f'python -m pip install "tensorboard>=2.20", or leave the setting out'
        )
    check_folder(folder, "training.tensorboard")
