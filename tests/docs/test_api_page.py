"""The page of Python names is what their docstrings say."""

import importlib

from tasks.seq2seq import TUTORIAL_NAMES
from tests.conftest import ROOT
from tests.helpers.doc_scripts import load_script

SCRIPT = load_script("write_api")
PAGE = (ROOT / "docs" / "api.md").read_text()


def test_the_page_is_what_the_script_writes():
    """`make docs` writes it anew."""
    assert SCRIPT.write_page() == PAGE


def test_each_name_can_be_imported_from_where_the_page_says():
    rows = [row for rows in SCRIPT.SECTIONS.values() for row in rows if row[0] != "tasks.seq2seq"]
    for module, _, names in rows:
        assert all(hasattr(importlib.import_module(module), name) for name in names)


def test_the_page_has_all_names_of_the_tutorial():
    assert all(f"### tasks.seq2seq.{name}\n" in PAGE for name in TUTORIAL_NAMES)
