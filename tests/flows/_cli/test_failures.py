"""What a run that fails writes to the terminal: why, once, at its end; Prefect keeps all of it."""

import logging
import os
import subprocess
import sys

import pytest
from prefect.logging.handlers import PrefectConsoleHandler

from flows._cli.checkout import ROOT
from flows._cli.failures import failures_told, told_at_the_end
from tasks.seq2seq.errors import ArtifactError, DataError, SettingsError, TrainingError
from tests.helpers.batch_models import batch_models

WHY = "rows.csv: 3 of 3 rows cannot be used"
TABLE = f"{WHY}\n  file  row\n  a.csv   1"


@pytest.fixture
def console(monkeypatch):
    """What reaches the terminal, and what reaches the handlers before it, of a logger of runs."""
    shown, kept = [], []

    class Shown(PrefectConsoleHandler):
        def emit(self, record):
            shown.append(self.format(record))

    class Kept(logging.Handler):
        def emit(self, record):
            kept.append(record.getMessage())

    logger = logging.getLogger("prefect.flow_runs")
    monkeypatch.setattr(logger, "handlers", [Kept(), Shown()])
    monkeypatch.setattr(logger, "level", logging.INFO)
    monkeypatch.setattr(logger, "propagate", False)
    return logger, shown, kept


@pytest.mark.parametrize("kind", [DataError, SettingsError, ArtifactError, TrainingError])
def test_what_prefect_says_of_a_failure_names_its_kind_at_the_terminal_and_is_kept_in_full(console, kind):
    logger, shown, kept = console
    states = [
        f"Finished in state Failed('Task run encountered an exception {kind.__name__}: {TABLE}')",
        f"Finished in state Failed('Flow run encountered an exception: {kind.__name__}: {TABLE}')",
    ]
    with told_at_the_end():
        logger.error(states[0])
        try:
            raise kind(TABLE)  # noqa: TRY301 - so that it has a traceback
        except kind as error:
            logger.exception("Encountered exception during execution: %r", error)  # noqa: TRY401 - as Prefect does
            logger.error("No new model: %s. The promoted one predicts.", error)  # noqa: TRY400 - as a night says it
        logger.error(states[1])
    assert shown == [
        f"Finished in state Failed: {kind.__name__}",
        f"No new model: {kind.__name__}, see the end. The promoted one predicts.",
        f"Finished in state Failed: {kind.__name__}",
    ]
    assert sum(WHY in line for line in kept) == 4


def test_an_error_of_nobodys_keeps_its_traceback_and_is_kept_out_of_the_states(console):
    logger, shown, _ = console
    with told_at_the_end():
        try:
            raise ValueError(WHY)  # noqa: TRY301 - so that it has a traceback
        except ValueError as error:
            logger.exception("Encountered exception during execution: %r", error)  # noqa: TRY401 - as Prefect does
        logger.error("Finished in state Failed('Flow run encountered an exception: ValueError: %s')" % WHY)  # noqa: UP031, G002
    assert "Traceback" in shown[0]
    assert shown[1] == "Finished in state Failed: ValueError"


def test_what_is_routine_is_left_out_other_lines_are_as_they_were_and_afterwards_all_are(console):
    logger, shown, _ = console
    with told_at_the_end():
        logger.info("Finished in state %s", "Cancelled()")
        logger.info("Finished in state %s", "Completed()")
        logger.info("Hook 'tell_of_failure' finished running successfully")
    logger.error("Finished in state Failed('Flow run encountered an exception: DataError: x')")
    assert shown == [
        "Finished in state Cancelled()",
        "Finished in state Failed('Flow run encountered an exception: DataError: x')",
    ]


def test_the_closing_line_says_what_was_noted_on_the_way(capsys):
    error = DataError(WHY)
    error.add_note("before that, no new model could be made")
    with pytest.raises(SystemExit) as ended, failures_told():
        raise error
    assert ended.value.code == 1
    assert capsys.readouterr().err == f"failed: {WHY}\nbefore that, no new model could be made\n"


def run_command(name, *flags, server):
    """The exit code of a command in a fresh process, and what it wrote."""
    command = [sys.executable, "-m", f"flows.{name}", *map(str, flags)]
    environment = {**os.environ, "PREFECT_API_URL": server}
    ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    return ended.returncode, ended.stdout + ended.stderr


@pytest.mark.seconds
def test_a_command_that_refuses_rows_says_so_once(tmp_path, server):
    (tmp_path / "pairs.csv").write_text("source,target\n" + "the cat,le chat\n" * 40)
    flags = ("--data.train", tmp_path / "pairs.csv", "--store", tmp_path / "store")
    code, said = run_command("train_and_eval", *flags, server=server)
    assert code == 1
    assert "Traceback" not in said
    for part in ("40 of 40 rows cannot be used", "reasons: source_type 40", 'data.source_encoding = "words"'):
        assert said.count(part) == 1, said
    assert said.count("failed: ") == 1


@pytest.mark.seconds
def test_a_file_that_cannot_be_predicted_is_told_of_once(tmp_path, tmp_path_factory, server):
    store = batch_models(tmp_path_factory).need("integers")
    (tmp_path / "a.jsonl").write_text('{"source": [1, 2]}\n' * 9)
    (tmp_path / "b.jsonl").write_text("")
    (tmp_path / "c.jsonl").write_text('{"source": "the cat"}\n' * 9)
    flags = ("--output", tmp_path / "out", "--store", store, "--model", "integers", "--settle", "0")
    code, said = run_command("batch_predict", *sorted(tmp_path.glob("*.jsonl")), *flags, server=server)
    assert code == 1
    assert said.count("b.jsonl is empty") == 1, said
    assert said.count("none of its 9 rows can be used") == 1, said
    assert said.count('  c.jsonl    1  source_type  {"source": "the cat"}') == 1, said
    assert said.count("... and 4 more") == 1, said


@pytest.mark.parametrize(("level", "n_shown"), [(logging.INFO, 1), (logging.DEBUG, 3)])
def test_that_prefects_runs_went_well_is_shown_only_in_detail(console, monkeypatch, level, n_shown):
    logger, shown, kept = console
    monkeypatch.setattr(logger, "level", level)
    with told_at_the_end():
        logger.info("Finished in state Completed()")
        logger.info("Finished in state Cached(message='Found it', type=COMPLETED)")
        logger.info("Dataset: 9 training pairs")
    assert shown[-1].endswith("Dataset: 9 training pairs")
    assert (len(shown), len(kept)) == (n_shown, 3)
