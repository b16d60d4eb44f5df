"""The page on the architecture shows the packages that there are."""

import re

from tests.conftest import ROOT
from tests.helpers.doc_scripts import load_script

PAGE = (ROOT / "docs/architecture.md").read_text()


def test_the_picture_is_what_the_contracts_say():
    """`make docs` draws it anew."""
    module = load_script("draw_architecture")
    assert (ROOT / "docs/images/architecture.svg").read_text() == module.draw(module.read_layers())


def test_each_package_has_a_row():
    rows = set(re.findall(r"^\| `([\w/]+)` \|", PAGE, re.MULTILINE))
    packages = {
        path.parent.relative_to(ROOT).as_posix()
        for root in ("flows", "tasks")
        for path in (ROOT / root).rglob("__init__.py")
    }
    assert rows == packages - {"flows", "tasks", "tasks/seq2seq/training/callbacks"}
