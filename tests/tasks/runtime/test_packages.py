import importlib.metadata

import pytest

from tasks.runtime.packages import installed_engine


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
