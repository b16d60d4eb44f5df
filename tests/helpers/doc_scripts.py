"""The scripts beside the pages, which are no part of a package."""

import importlib.util

from tests.conftest import ROOT


def load_script(name):
    """The module of `docs/NAME.py`."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
