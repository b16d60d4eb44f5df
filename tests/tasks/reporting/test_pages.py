"""Names and values from outside are only read where they are shown."""

import logging

from flows._cli.command import put, say
from tasks.reporting.night_page import as_markdown, link
from tasks.reporting.pages import cell, html_pages
from tasks.runtime.log import _show
from tasks.storage.ingest.reject_table import reject_table
from tasks.storage.readers.blocks import Reject

ACTING = "\x1b[2J\x1b]8;;http://a\x07\u202e\u2067\x9b1m\x00"


def acts(text):
    return any(
        character in text for character in ACTING.replace("[2J", "").replace("]8;;http://a", "").replace("1m", "")
    )


def test_a_page_of_html_holds_no_mark_up_and_no_marks_of_others():
    page = html_pages().from_string("<b>{{ name }}</b>").render(name=f"<script>{ACTING}")
    assert page.startswith("<b>&lt;script&gt;")
    assert not acts(page)


def test_a_night_links_its_reports_wherever_they_lie(tmp_path):
    assert link("s3://bucket/out/_report.html") == "[s3://bucket/out/_report.html](s3://bucket/out/_report.html)"
    assert link(str(tmp_path / "a b.html")).endswith(f"({(tmp_path / 'a b.html').as_uri()})")


def test_a_cell_of_markdown_holds_no_mark_up_of_others():
    assert cell("a|b\nc `d` [e](f) ![g](h) <i>") == "a\\|b c 'd' [e] (f) ![g] (h) \\<i>"
    assert not acts(cell(ACTING))


def test_the_page_of_a_night_shows_a_failure_without_acting():
    predictions = {
        **dict.fromkeys(
            ("predicted", "read", "rejected", "predicted_files", "kept_files", "waiting_files", "failed"), 0
        ),
        "drift": [],
        "report": "/a",
    }
    page = "\n".join(as_markdown("n", {"failure": f"{ACTING}\n{ACTING}```\n# a heading"}, predictions))
    assert not acts(page)
    assert page.count("```") == 2


def test_the_table_of_rejects_shows_names_and_cells_without_acting():
    lines = reject_table([Reject(f"a{ACTING}\n.csv", 1, "json", f"x{ACTING}\ny")], 1)
    assert len(lines) == 2
    assert not acts("".join(lines))
    assert "\\x1b" in lines[1]


def test_what_is_printed_does_not_act(capsys):
    say(f"refused: {ACTING}")
    put(f"{ACTING}\nsecond line")
    said = capsys.readouterr()
    assert not acts(said.err + said.out)
    assert said.out.count("\n") == 2


def test_what_is_logged_does_not_act():
    record = logging.LogRecord("a", logging.INFO, "b", 1, "%s is %d", (f"{ACTING}", 3), None)
    assert _show(record)
    assert not acts(record.getMessage())
    assert record.getMessage().endswith("is 3")
