"""The page about a batch prediction, and the same on the terminal and in Prefect's UI."""

import pytest

from flows._cli.batch_summary import show_batch
from tasks.reporting.batch_page import as_markdown, as_table, render_page, score_rows, summary_of, why
from tasks.seq2seq.metrics.accumulators import TokenCounts, VectorCounts
from tasks.seq2seq.metrics.table import rates
from tasks.seq2seq.shown import shown_lines

NOTHING_SCORED: dict[str, TokenCounts | VectorCounts] = {"tokens": TokenCounts(), "vectors": VectorCounts()}


def batch(scored):
    """A run over one file of two rows."""
    files = [{"name": "a.csv", "state": "predict", "reason": "new", "read": 2, "predicted": 2, "rejected": 0}]
    counts = {"read": 2, "predicted": 2, "rejected": 0, "history_only": 0}
    states = {"predicted_files": 1, "kept_files": 0, "waiting_files": 0, "failed": 0}
    lists = {
        "above_reject_rate": [],
        "outputs_without_input": [],
        "files_of_other_formats": [],
        "files_already_given": [],
        "drift": [],
        "checks": [],
    }
    return {
        "model": {"name": "words", "digest": "0" * 64}, "decoding": {"method": "greedy"}, "output": "out",
        "files": files, **counts, **states, **lists, "scored": scored, "shifted": False, "report": "out/_report.html",
        "rows_per_s": None,
    }  # fmt: skip


@pytest.mark.parametrize("kind", NOTHING_SCORED)
def test_a_run_in_which_no_target_could_be_used_says_that_there_is_nothing_to_score(kind, capsys):
    """No accuracy of 0, no interval from 0 to 1."""
    run = batch(rates(NOTHING_SCORED[kind]))
    assert list(score_rows(run)) == []
    show_batch(run)
    for page in (as_markdown(run), render_page(run), capsys.readouterr().out):
        assert "nothing to score: no row has a target that can be used" in page
        for word in ("accuracy", "interval", "mae", "n evaluated"):
            assert word not in page


def test_scores_are_written_where_there_are_any_and_not_mentioned_without_targets(capsys):
    scored = rates(TokenCounts(n=2, n_correct=1, n_positions=4, n_right=3, n_reference_tokens=4, n_predicted_tokens=4))
    for run, words in ((batch(scored), "sequence accuracy"), (batch(None), None)):
        show_batch(run)
        for page in (as_markdown(run), render_page(run), capsys.readouterr().out):
            assert "nothing to score" not in page
            assert ("sequence accuracy" in page) == (words is not None)


ACTING = "\x1b[2J\r\n\u202e|`](<script>\ud800"


def test_names_from_outside_can_only_be_read_on_the_terminal_the_page_and_in_prefect(capsys):
    run = batch(None)
    file = {**run["files"][0], "name": f"{ACTING}.csv", "state": "fail", "reason": f"in {ACTING}", "advice": [ACTING]}
    found = {"rule": "one", "level": "warn", "message": ACTING}
    run |= {"files": [file], "output": f"out{ACTING}", "checks": [found], "files_of_other_formats": [ACTING]}
    run |= {"outputs_without_input": [ACTING], "above_reject_rate": [ACTING], "files_already_given": [ACTING]}
    show_batch(run)
    said = capsys.readouterr().out
    for page in (as_markdown(run), render_page(run), said, *(str(value) for value in as_table(run)[0].values())):
        assert page == shown_lines(page)
    assert "<script>" not in as_markdown(run).replace("\\<script>", "")
    assert "<script>" not in render_page(run).partition("<body")[2]
    (row,) = [line for line in as_markdown(run).splitlines() if ".csv" in line]
    assert row.replace("\\|", "").count("|") == 7


def test_a_file_that_was_predicted_does_not_say_that_it_is_not_predicted_yet():
    run = batch(None)
    run["files"][0]["reason"] = "not predicted yet"
    for page in (as_markdown(run), render_page(run), *as_table(run)[0].values()):
        assert "not predicted yet" not in str(page)
    assert why(run["files"][0]) == "it was new"
    assert why({"state": "predict", "reason": "a.csv changed"}) == "before: a.csv changed"
    assert why({"state": "wait", "reason": "a.csv changed just now"}) == "a.csv changed just now"


def test_what_was_done_is_said_in_a_sentence_without_what_there_was_none_of():
    assert summary_of(batch(None)) == "1 file predicted now and 0 unchanged."
    said = summary_of({**batch(None), "predicted_files": 2000, "waiting_files": 1, "failed": 3})
    assert said == "2,000 files predicted now, 0 unchanged, 1 waiting for a next run and 3 failed."


def test_too_few_rows_are_no_drift_and_raw_names_are_words():
    shift = {"name": "outside_range", "psi": 0.0101, "before": "0 %", "now": "1 %", "verdict": "too few rows"}
    run = batch(None) | {"drift": [shift]}
    for page in (as_markdown(run), render_page(run)):
        assert "too few rows to tell" in page
        assert "values outside the training range" in page
        assert "outside_range" not in page
