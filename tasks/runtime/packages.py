"""Packages that only some settings take, looked for before any work starts; none of them is imported."""

from __future__ import annotations

import importlib.util

from tasks.seq2seq.errors import SettingsError
from tasks.seq2seq.settings.experiment import Experiment
from tasks.storage.files.atomic import check_folder

ONNX_PACKAGES = {"onnx": "1.23", "onnxruntime": "1.32", "tf2onnx": "1.17"}  # the extra `onnx` of pyproject.toml


def check_onnx(experiment: Experiment) -> None:
    """Refuses an export to ONNX without the packages that it takes, before any work starts.

    Raises:
        SettingsError: some are missing.
    """
    missing = [name for name in ONNX_PACKAGES if importlib.util.find_spec(name) is None]
    if experiment.export.onnx and missing:
        wanted = " ".join(f'"{name}>={version}"' for name, version in ONNX_PACKAGES.items())
        raise SettingsError(
            f"export.onnx is set, but {', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not installed; "
            f"install with: python -m pip install {wanted}, or leave the setting out"
        )


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
