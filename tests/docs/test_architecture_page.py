"""The page on the architecture shows the packages that there are."""

import importlib.util
import re

from tests.conftest import ROOT

PAGE = (ROOT / "docs/architecture.md").read_text()


def drawing():
    spec = importlib.util.spec_from_file_location("draw_architecture", ROOT / "docs/draw_architecture.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_picture_is_what_the_contracts_say():
    """`make docs` draws it anew."""
    module = drawing()
    assert (ROOT / "docs/images/architecture.svg").read_text() == module.draw(module.read_layers())


def test_each_package_has_a_row():
    rows = set(re.findall(r"^\| `([\w/]+)` \|", PAGE, re.MULTILINE))
    packages = {
        path.parent.relative_to(ROOT).as_posix()
        for root in ("flows", "tasks")
        for path in (ROOT / root).rglob("__init__.py")
    }
    assert rows == packages - {"flows", "tasks", "tasks/seq2seq/training/callbacks"}
