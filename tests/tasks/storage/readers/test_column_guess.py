"""What a column looks like, from its first values, and which encoding reads it."""

import pytest

from tasks.storage.readers.column_guess import advise, guess_look

LOOKS = [
    (["1 2 3", "[4, 5]", "-6"], "integers", "integers"),
    ([[1, 2], [3]], "integers", "integers"),
    (["1.5 2", "3"], "real numbers", "vectors"),
    (["[[1.5, 2], [3, 4]]"], "real numbers", "vectors"),
    ([[1, 2.5], [3]], "real numbers", "vectors"),
    (["the cat", "a dog"], "words with white space", "words"),
    (["cat", "the dog"], "words with white space", "words"),
    (["cat", "dog"], "text without white space", "characters"),
    (["7", "x"], "text without white space", "characters"),
    ([["the", "cat"], []], "lists of strings", "words"),
    (['["the", "cat"]'], "written as JSON within text", None),
    ([{"en": "cat"}], "objects of several fields", None),
]


@pytest.mark.parametrize(("values", "name", "encoding"), LOOKS)
def test_values_look_like_what_they_are(values, name, encoding):
    look = guess_look([None, *values, None])
    assert name in look.name
    assert look.encoding == encoding
    assert look.encoding or look.advice


@pytest.mark.parametrize("values", [[], [None, ""], [True, False], [b"abc"], ["cat", 7.5, [1]]])
def test_of_values_that_have_nothing_in_common_nothing_is_said(values):
    assert guess_look(values) is None
    assert advise(values, "data.source_encoding", "integers") is None


def test_the_advice_names_the_setting_and_the_value_that_would_do():
    said = advise(["the cat"], "data.source_encoding", "integers") or ""
    assert 'data.source_encoding = "words" reads (data.source_encoding is "integers")' in said


def test_nothing_is_advised_where_the_setting_is_what_the_values_look_like():
    assert advise(["1 2"], "data.source_encoding", "integers") is None


def test_a_value_of_megabytes_and_one_nested_deeply_take_no_time():
    assert guess_look(["a b" * 5_000_000, "[" * 100_000]).encoding == "words"
