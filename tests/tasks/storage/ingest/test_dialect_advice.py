import json

import pytest

from tasks.storage.ingest.dialect_advice import advise_dialect
from tasks.storage.readers.blocks import Reject


def advice(reason, *cells):
    return advise_dialect([Reject("a.csv", 1, reason, json.dumps({"source": cell})) for cell in cells], "data.")


def test_bytes_that_are_cp1252_are_read_with_it():
    content = r'{"source": "caf\xe9 \x93a\x94"}'
    (line,) = advise_dialect([Reject("a.csv", 1, "invalid_utf8", content)], "data.")
    assert 'data.encoding = "cp1252"' in line
    assert "café “a”" in line
    (line,) = advise_dialect([Reject("a.csv", 1, "invalid_utf8", r"a\x81")], "data.")
    assert 'data.encoding = "latin-1"' in line


def test_text_behind_a_quote_is_read_with_an_escape_or_without_quotes():
    assert 'data.escape = "\\\\"' in advice("quote", 'say \\"red small\\""')[0]
    assert 'data.quote = ""' in advice("quote", '5" by 3"')[0]


@pytest.mark.parametrize(
    ("cell", "named", "not_named"),
    [
        ("13,44 84,74", ['data.decimal = ","'], ["thousands", 'decimal = "."']),
        ("1,234 56", ['data.decimal = ","', 'data.thousands = ","'], ['decimal = "."']),
        ("1,2", ['data.decimal = ","', 'data.decimal = "." where commas part numbers'], ["thousands"]),
        ("1,234,567", ['data.thousands = ","'], ['decimal = ","']),
    ],
)
def test_commas_are_read_with_the_marks_that_fit(cell, named, not_named):
    (line,) = advice("source_unclear_comma", cell)
    assert all(name in line for name in named)
    assert not any(name in line for name in not_named)


def test_a_marker_among_numbers_is_named_as_one():
    assert advice("target_type", "1 ? 3") == ["'?' would be a missing value with data.missing = \"?\""]
    assert advice("target_type", "NA") == ["'NA' would be a missing value with data.missing = \"NA\""]
    assert advice("source_type", "x", "1.5") == []


def test_each_line_is_given_once_and_what_is_no_json_has_none():
    assert len(advice("source_unclear_comma", "1,5", "1,5")) == 1
    assert advise_dialect([Reject("a.csv", 1, "source_type", "[?")], "data.") == []


def test_at_prediction_settings_are_flags():
    (line,) = advise_dialect([Reject("a.csv", 1, "invalid_utf8", r"caf\xe9")], "--")
    assert "read with --encoding cp1252," in line
    (line,) = advise_dialect([Reject("a.csv", 1, "quote", r"a\" b")], "--")
    assert "with --escape '\\' a quote" in line
