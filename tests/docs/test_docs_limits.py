"""The table of limits says what the program holds to."""

import re
from pathlib import Path

import pytest

from tasks.storage.files import limits
from tasks.storage.ingest.row_rules import LONGEST
from tests.conftest import ROOT

TABLE = (ROOT / "docs" / "own-data.md").read_text().partition("## How large a part")[2].partition("\n## ")[0]
ROWS = dict(re.findall(r"^\| ([^|]+) \| ([^|]+) \|", TABLE, re.MULTILINE))
SAID = {
    "a row, and so a field, in every format": f"{limits.ROW_BYTES // 2**20} MiB",
    "steps of a sequence": f"{LONGEST:,}, or `data.max_source_length`, `data.max_target_length`",
    "lists, objects and values in a line of JSON": f"{limits.ROW_VALUES:,}",
    "levels of lists and objects in a line of JSON": f"{limits.DEEPEST_JSON}",
    "columns with the fields inside them, arrays of an npz, different keys of JSON lines": f"{limits.MOST_COLUMNS:,}",
    "lists and fields within one key of JSON lines": f"{limits.MOST_PARTS:,}, in {limits.DEEPEST_COLUMN} levels",
    "levels of lists and structures in a schema": f"{limits.DEEPEST_TYPE}",
    "blank lines one after the other": f"{limits.BLANK_BYTES // 2**20} MiB",
    "rows that a Parquet, Arrow or npz file says it has": (
        f"{limits.ROWS_OF_ANY_FILE:,}, and {limits.ROWS_A_BYTE} for each byte of the file"
    ),
    "values that a row group of Parquet says it has": (
        f"{limits.GROUP_VALUES:,}, and {limits.VALUES_A_BYTE} for each byte"
    ),
    "bytes that the pages of a Parquet row group, of the columns that are read, or a batch of an Arrow file expand to at "
    "once": f"{limits.EXPANDED_BYTES // 2**20} MiB",
    "the header of an array in an npz": f"{limits.HEADER_BYTES // 2**10} KiB",
    "a line of pre-trained vectors": f"{limits.VECTOR_LINE_BYTES // 2**20} MiB",
    "a JSON file of the store, or of outputs": f"{limits.JSON_BYTES // 2**20} MiB",
    "the configuration of a Keras model": f"{limits.KERAS_CONFIG_BYTES // 2**20} MiB",
    "a file of settings, or of deployments": (
        f"{limits.SETTINGS_BYTES // 2**20} MiB, and {limits.SETTINGS_DOTS:,} points in a line"
    ),
    "values in a file of deployments, each alias counted as all that it stands for": f"{limits.SETTINGS_VALUES:,}",
}


@pytest.mark.parametrize("what", SAID)
def test_a_limit_is_what_the_page_says(what):
    assert ROWS[what] == SAID[what]


def test_the_page_has_all_limits():
    assert set(ROWS) - {"what", "---"} == set(SAID)
    assert {name for name in vars(limits) if name.isupper()} == _named_here()


def _named_here():
    """The constants that this test holds the page against; what a reject shows is no limit."""
    source = Path(__file__).read_text()
    return {*re.findall(r"limits\.([A-Z_]+)", source), "SHOWN_BYTES"}
