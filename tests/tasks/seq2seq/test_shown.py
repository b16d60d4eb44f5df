"""Text from outside acts on nothing where it is shown."""

import pickle

import pytest

from tasks.seq2seq.errors import DataError
from tasks.seq2seq.shown import shown, shown_lines

ACTING = {
    "\x1b[2J": r"\x1b[2J",
    "\x1b]0;title\x07": r"\x1b]0;title\x07",
    "\r": r"\r",
    "\x00": r"\x00",
    "\x7f": r"\x7f",
    "\x9b31m": r"\x9b31m",
    "\u202efdp.exe": r"\u202efdp.exe",
    "\u2067": r"\u2067",
    "\u200f": r"\u200f",
    "\u2028": r"\u2028",
    "\ud800": r"\ud800",
    "\ufeff": r"\ufeff",
    "\U000e0041": r"\U000e0041",
}


@pytest.mark.parametrize(("text", "expected"), ACTING.items(), ids=ACTING.values())
def test_what_would_act_is_written_out(text, expected):
    assert shown(f"a{text}b") == shown_lines(f"a{text}b") == f"a{expected}b"


def test_lines_stay_only_where_there_are_meant_to_be_any():
    assert shown("a\nb\tc") == r"a\nb\tc"
    assert shown_lines("a\nb\tc") == "a\nb\tc"


@pytest.mark.parametrize(
    "text", ["naïve café", "日本\u3000語", "\u0645\u06cc\u200c\u062e", "👩\u200d💻", "a\u00a0b", "price: 5 €"]
)
def test_what_people_write_stays(text):
    assert shown(text) == shown_lines(text) == text


def test_long_text_is_cut():
    assert shown("a" * 50, 10) == "a" * 10 + "..."
    assert shown("a" * 10, 10) == "a" * 10


def test_an_error_is_shown_so_and_passes_from_process_to_process():
    error = DataError("\x1b[2J in\na column")
    assert str(error) == str(pickle.loads(pickle.dumps(error))) == "\\x1b[2J in\na column"  # noqa: S301 - our own
