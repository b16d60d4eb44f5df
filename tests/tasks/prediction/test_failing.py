import errno
import logging
import os
import re
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest

from tasks.prediction.failing import failing_alone, is_of_one_file
from tasks.seq2seq.errors import ArtifactError, DataError, ServerError, SettingsError
from tasks.storage.files.atomic import explain_os_errors
from tasks.storage.outputs.writers import OutputWriter


def os_error(code):
    return OSError(code, os.strerror(code))


def explained(code):
    """What storage makes of an error of the system."""
    with pytest.raises(ArtifactError) as raised, explain_os_errors(Path("out/north")):
        raise os_error(code)
    return raised.value


OF_ONE_FILE = [
    DataError("row 3 is wrong"),
    KeyError("t"),
    NotImplementedError(),
    UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"),
    RecursionError("too deep"),
    MemoryError(),
    OSError("Scale must be a non-negative integer"),  # Arrow's own words for a type
    os_error(errno.EIO),
    os_error(errno.EACCES),
    explained(errno.EACCES),
    explained(errno.ENOTDIR),
]
OF_ALL_FILES = [
    os_error(errno.ENOSPC),
    os_error(errno.EMFILE),
    explained(errno.ENOSPC),
    explained(errno.EDQUOT),
    explained(errno.EROFS),
    ArtifactError("the model is altered"),
    SettingsError("no model is promoted"),
    ServerError("nobody answers"),
]


@pytest.mark.parametrize("error", OF_ONE_FILE, ids=repr)
def test_an_exception_that_says_nothing_of_the_next_file_fails_its_file(error):
    assert is_of_one_file(error)
    with pytest.raises(DataError), failing_alone("b.arrow", "read"):
        raise error


@pytest.mark.parametrize("error", [*OF_ALL_FILES, KeyboardInterrupt(), SystemExit(1)], ids=repr)
def test_what_the_next_file_would_meet_too_and_what_ends_a_process_pass_as_they_are(error):
    with pytest.raises(type(error)) as raised, failing_alone("b.arrow", "read"):
        raise error
    assert raised.value is error


def test_what_somebody_else_answers_for_passes_as_it_is():
    error = os_error(errno.EIO)
    with pytest.raises(OSError, match="Input/output") as raised, failing_alone("b", "predicted", passing=(OSError,)):
        raise error
    assert raised.value is error


def test_the_reason_holds_what_was_done_type_message_and_notes_and_the_log_the_place_too(caplog):
    error = ValueError("too\n far: \ud800")
    error.add_note("column 't'")
    with pytest.raises(DataError) as raised, failing_alone("in/b.arrow", "written"):
        raise error
    reason = r"in/b.arrow cannot be written: ValueError: too far: \ud800 (column 't')"
    assert str(raised.value) == f"{reason}; the place is in the log"
    assert raised.value.__cause__ is error
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert re.fullmatch(
        re.escape(reason) + r"; raised at tests/tasks/prediction/test_failing\.py:\d+", record.getMessage()
    )
    assert record.exc_info is None


def test_the_place_is_the_last_of_our_own_lines_and_that_of_the_library(tmp_path, caplog):
    table = pa.table({"n": pa.array([Decimal(100)], pa.decimal128(7, -2))})
    with pytest.raises(DataError), failing_alone("b.arrow", "written"):
        OutputWriter(tmp_path / "b.parquet", table.schema, "parquet", "{}")
    assert re.search(r"; raised at tasks/storage/outputs/writers\.py:\d+, in \S*pyarrow/\S+:\d+$", caplog.messages[-1])


def test_a_long_message_is_cut_in_the_reason_and_whole_in_the_log(caplog):
    error = ValueError("x" * 10_000)
    error.add_note("column 't'")
    with pytest.raises(DataError, match=r"x \[\.\.\.\] \(column 't'\)") as raised, failing_alone("b.arrow", "written"):
        raise error
    assert len(str(raised.value)) < 600
    assert "x" * 10_000 in caplog.text


def test_an_error_that_says_what_to_do_is_told_in_its_own_words(caplog):
    with pytest.raises(DataError, match=r"^row 3 is wrong$"), failing_alone("b.arrow", "read"):
        raise DataError("row 3 is wrong")
    with pytest.raises(DataError) as raised, failing_alone("b.arrow", "written"):
        raise explained(errno.ENOTDIR)
    assert str(raised.value).startswith("b.arrow cannot be written: out/north cannot be written: Not a directory")
    assert not caplog.records
