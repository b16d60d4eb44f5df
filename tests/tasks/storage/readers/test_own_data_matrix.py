"""Formats x types x encodings, and formats x faults: the values that are read, and what the page says of them."""

from dataclasses import replace

import pytest

from tests.helpers.own_data_matrix import (
    ENCODINGS,
    FAULTS,
    FORMATS,
    HOLDS,
    on_page,
    outcome,
    read,
    tables,
    write,
    write_fault,
)


@pytest.mark.parametrize("holds", HOLDS, ids=lambda holds: holds.text)
@pytest.mark.parametrize("form", FORMATS)
def test_the_values_that_are_read_are_those_that_the_file_holds(tmp_path, form, holds):
    path = write(tmp_path, form, holds)
    if path is None:
        return
    for encoding in ENCODINGS:
        if outcome(path, encoding) == "read":
            found, _ = read(path, encoding)
            if encoding in holds.read:
                assert found == holds.read[encoding][: len(found)]
            else:  # numbers that stand as text are text, too
                assert form in ("csv", "tsv")
                assert ["".join(map(str, row)) for row in found] == holds.cells
        else:
            assert encoding not in holds.read


@pytest.mark.parametrize(
    ("fault", "form"), [(fault, form) for fault in FAULTS if fault.dialect for form in fault.contents], ids=str
)
def test_the_setting_that_the_page_names_reads_the_file(tmp_path, fault, form):
    path = write_fault(tmp_path, form, fault.contents[form])
    dialect = fault.dialect
    if fault.contents[form].startswith(b"source;"):
        dialect = replace(dialect, delimiter=";")
    assert outcome(path, fault.encoding, dialect) == "read"


@pytest.mark.seconds
def test_the_page_has_the_tables_that_the_files_give():
    """Written anew by `python -m tests.helpers.own_data_matrix`."""
    assert on_page() == tables()
