"""Packages that are looked for without importing them: those that only some settings take, and what predicts."""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
from functools import cache

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


def check_optuna() -> None:
    """Refuses a sweep where what draws its trials is not installed, before any work starts.

    Raises:
        SettingsError: with what to install.
    """
    if importlib.util.find_spec("optuna") is None:
        raise SettingsError(
            "a sweep draws its trials with the package optuna, which is not installed; install it with: python -m pip "
            'install "optuna>=5"'
        )


# The packages that hold ONNX Runtime, one of which is installed: with a GPU's kernels, and without.
ENGINES = ("onnxruntime-gpu", "onnxruntime")


@cache
def installed_engine() -> str:
    """What predicts on this machine: the package and its version, such as `onnxruntime 1.23.2`."""
    for name in ENGINES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            return f"{name} {importlib.metadata.version(name)}"
    return ENGINES[-1]  # built by hand: the package has no version that could be asked for
