"""What a step says while it runs: at a terminal, elsewhere, in Prefect, and where nobody wants to hear it."""

import logging
import re
import time

import pytest

from tasks.runtime import progress as module
from tasks.runtime.progress import progress, report, tracked
from tests.helpers.terminal import at_a_terminal


@pytest.fixture
def hurried(monkeypatch):
    """All times a hundredth."""
    for name in ("BEFORE_BAR", "BETWEEN_FRAMES", "BETWEEN_LINES", "BEFORE_ARTIFACT", "BETWEEN_UPDATES"):
        monkeypatch.setattr(module, f"SECONDS_{name}", getattr(module, f"SECONDS_{name}") / 100)


@pytest.fixture(autouse=True)
def informed():
    """Information is logged, as in a run."""
    logger = logging.getLogger("prefect")
    before = logger.level
    logger.setLevel(logging.INFO)
    yield logger
    logger.setLevel(before)


def test_elsewhere_than_at_a_terminal_a_long_step_says_a_line_every_so_often(hurried, capsys):
    with progress("train") as update:
        for i in range(1, 5):
            update(i * 1000, 8000, {"loss": 0.5})
            time.sleep(0.13)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) >= 3  # more, where the machine is slow
    assert all(re.fullmatch(r"train: [1-4],000/8,000  loss 0.5000  \d+ s left", line) for line in lines)


def test_a_step_without_counts_says_how_long_it_has_taken(hurried, capsys):
    with progress("bundle"):
        time.sleep(0.15)
    assert set(capsys.readouterr().err.splitlines()) == {"bundle: 0 s"}


def test_a_short_step_says_nothing(capsys):
    with progress("evaluation") as update:
        update(1, 1, {})
        with progress("evaluate") as inner:
            inner(50, 50, {})
    assert capsys.readouterr().err == ""


def test_the_parts_of_a_step_are_told_by_their_own_names_and_counts_and_so_is_their_end(monkeypatch, capsys):
    monkeypatch.setattr(module, "SECONDS_BEFORE_BAR", 0.02)  # and no line in between, however slow the machine
    with progress("dataset"):
        report("rows read", 70, None)
        time.sleep(0.03)
        report("rows encoded", 30, 70)
        report("rows encoded", 70, 70)
        time.sleep(0.03)
        with progress("write") as update:
            update(1, 1, {})
    assert capsys.readouterr().err.splitlines() == ["rows read: 70  0 s", "rows encoded: 70/70  0 s left"]


def test_items_are_counted_as_they_are_done(hurried, capsys):
    seen = []
    for item in tracked("files digested", "abc"):
        seen.append(item)
        time.sleep(0.06)
    assert seen == ["a", "b", "c"]
    lines = capsys.readouterr().err.splitlines()
    assert lines
    assert all(re.fullmatch(r"files digested: [1-3]/3  0 s left", line) for line in lines)


def test_a_report_outside_of_any_step_is_nobodys(capsys):
    report("rows read", 1, 1)
    assert capsys.readouterr().err == ""


def test_nothing_is_said_where_only_warnings_are_wanted(hurried, capsys, informed):
    informed.setLevel(logging.WARNING)
    with progress("train") as update:
        update(1, 2, {})
        time.sleep(0.15)
    assert capsys.readouterr().err == ""


def test_a_step_that_fails_leaves_no_thread_and_no_display_behind(hurried, capsys):
    with pytest.raises(ZeroDivisionError), progress("train"):
        raise ZeroDivisionError
    report("rows read", 1, 1)
    time.sleep(0.15)
    assert capsys.readouterr().err == ""


AT_A_TERMINAL = """
import time
from prefect import task  # sets up the logs, as every step does
from tasks.runtime import progress
progress.SECONDS_BEFORE_BAR = 0.5
with progress.progress("quick"):
    time.sleep(0.1)
with progress.progress("training"):
    time.sleep(0.8)
    with progress.progress("train") as update:
        for i in range(6):
            update(i, 10, {"loss": 0.25})
            time.sleep(0.15)
"""


def test_a_terminal_shows_a_spinner_with_seconds_and_a_bar_with_counts_and_nothing_of_a_short_step():
    shown = at_a_terminal(["-c", AT_A_TERMINAL])
    assert re.search(r"[⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏].* training .* 1 s", shown)
    assert re.search(r"train .*━.* [1-5]/10  loss 0.2500  \d s left", shown)
    assert "quick" not in shown
    assert "\x1b[3" in shown


def test_a_terminal_shows_no_color_where_none_is_wanted():
    shown = at_a_terminal(["-c", AT_A_TERMINAL], NO_COLOR="1")
    assert "/10  loss" in shown
    assert not re.search(r"\x1b\[[0-9;]*[39][0-7]m", shown)


LOGS_AT_A_TERMINAL = """
import time
from prefect.logging.configuration import setup_logging
from prefect.logging.loggers import get_logger
from tasks.runtime import progress as module
setup_logging()
module.SECONDS_BEFORE_BAR = 0.0
with module.progress("train") as update:
    for i in range(5):
        update(i, 10, {})
        time.sleep(0.3)
        get_logger("tasks").info("epoch %d of 5", i + 1)
        time.sleep(0.3)
"""


def test_a_line_of_the_log_is_written_above_the_bar_and_not_into_it():
    shown = at_a_terminal(["-c", LOGS_AT_A_TERMINAL], COLUMNS="100")
    for i in range(1, 6):
        (before,) = re.findall(rf"([^\n]*)epoch {i} of 5[^\n]*\n", re.sub(r"\x1b\[[0-9;]*m", "", shown))
        written = before.rpartition("\x1b[2K")[2]  # since the line was cleared
        assert "\x1b[2K" in before
        assert "train" not in written
        assert "INFO" in written
    after = shown.rpartition("epoch 5 of 5")[2]
    assert "train" in after  # it is drawn anew below
