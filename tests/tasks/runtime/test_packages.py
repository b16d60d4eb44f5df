import importlib.metadata
import importlib.util

import pytest

from tasks.runtime.packages import check_optuna, installed_engine
from tasks.seq2seq.errors import SettingsError


@pytest.mark.parametrize(
    ("installed", "said"),
    [
        ({"onnxruntime": "1.2"}, "onnxruntime 1.2"),
        ({"onnxruntime-gpu": "1.3"}, "onnxruntime-gpu 1.3"),
        ({"onnxruntime": "1.2", "onnxruntime-gpu": "1.3"}, "onnxruntime-gpu 1.3"),
        ({}, "onnxruntime"),
    ],
)
def test_the_engine_is_called_by_its_package_and_version(monkeypatch, installed, said):
    def version(name):
        if name not in installed:
            raise importlib.metadata.PackageNotFoundError(name)
        return installed[name]

    monkeypatch.setattr(importlib.metadata, "version", version)
    assert installed_engine.__wrapped__() == said  # a process asks once


def test_a_sweep_without_optuna_is_refused_with_what_to_install(monkeypatch):
    check_optuna()
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(SettingsError, match='install it with: python -m pip install "optuna>=5"'):
        check_optuna()
