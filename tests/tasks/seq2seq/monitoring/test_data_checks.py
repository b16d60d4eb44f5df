"""Rules that data has to keep."""

from typing import get_args

import numpy as np
import pytest

from tasks.seq2seq.arrays.sequences import Pairs, Sequences
from tasks.seq2seq.data.codecs import Codecs
from tasks.seq2seq.data.profile import Profile
from tasks.seq2seq.data.vocabulary import Vocabulary
from tasks.seq2seq.monitoring.data_checks import DATA_CHECKS, Measured, Sentinel, check, shifts_between
from tasks.seq2seq.settings.checks import CheckRule, TrainingChecks

GOOD = Measured(
    rows=1000,
    read=1010,
    rejected=10,
    duplicates=0.1,
    conflicts=0.0,
    overlap=0.0,
    unknown=0.01,
    longest=30,
    median=10,
    sentinels=(),
    unread_time=(),
)


def levels(measured, **limits):
    settings = TrainingChecks(**limits)
    return {finding.rule: finding.level for finding in check(measured, settings, settings.max_drift)}


def test_the_settings_know_the_rules_of_the_table():
    assert [rule.name for rule in DATA_CHECKS] == list(get_args(CheckRule))


def test_the_same_figures_follow_from_what_was_counted_of_training_data_and_of_rows_to_predict():
    found = Measured.of(
        {2: 3, 5: 1, 9: 1}, read=8, rejected=3, duplicates=(1, 5), conflicts=(2, 5), overlap=(1, 4), unknown=(0, 0)
    )
    assert found == Measured(5, 8, 3, 0.2, 0.4, 0.25, 0.0, 9, 2.0)


@pytest.mark.parametrize("lengths", [[7], [3, 4], [1, 1, 9], [2, 2, 5, 9], [1, 5, 5, 5, 8, 9]])
def test_the_median_length_is_numpys(lengths):
    counted = {length: lengths.count(length) for length in reversed(lengths)}
    assert Measured.of(counted).median == np.median(lengths)


def test_nothing_has_no_length():
    assert Measured.of({}) == Measured(rows=0)


def test_good_data_keeps_every_rule():
    assert set(levels(GOOD).values()) == {"fine"}


@pytest.mark.parametrize(
    ("rule", "change"),
    [
        ("rows", {"rows": 99}),
        ("rejected", {"rejected": 60}),
        ("duplicates", {"duplicates": 0.51}),
        ("conflicts", {"conflicts": 0.02}),
        ("overlap", {"overlap": 0.001}),
        ("unknown", {"unknown": 0.06}),
        ("lengths", {"longest": 501}),
        ("sentinels", {"sentinels": (Sentinel("level", -3.4e38, 12),)}),
        ("time", {"unread_time": ("column 'day' looks like time and does not ascend",)}),
    ],
)
def test_each_rule_warns_alone_and_ends_the_run_where_it_is_said_to(rule, change):
    bad = GOOD._replace(**change)
    assert {name for name, level in levels(bad).items() if level == "warning"} == {rule}
    assert {name for name, level in levels(bad, fail=[rule]).items() if level == "failure"} == {rule}


def test_the_limits_themselves_are_kept():
    at = Measured(100, 100, 5, 0.5, 0.01, 0.0, 0.05, 500, 10)
    assert set(levels(at).values()) == {"fine"}


def test_what_nobody_counted_is_not_judged():
    assert set(levels(Measured(rows=1000, longest=6, median=6))) == {"rows", "lengths"}


def test_a_finding_says_what_came_and_what_was_expected():
    (found,) = (one for one in check(GOOD._replace(rejected=101), TrainingChecks(), 0.25) if one.rule == "rejected")
    assert found.message == "10 % of rows rejected, expected at most 5.0 %"


def test_a_number_that_looks_like_a_mark_is_named_with_its_column_its_count_and_what_to_do():
    bad = GOOD._replace(sentinels=(Sentinel("level", -3.4e38, 12), Sentinel("price", 1e20, 2)))
    said = [one.message for one in check(bad, TrainingChecks(), 0.25) if one.rule == "sentinels"]
    for words, parts in zip(said, (("'level'", "-3.4e+38", "12 times"), ("'price'", "1e+20", "2 times")), strict=True):
        for part in (*parts, "data.missing", "--missing"):
            assert part in words


def profile(texts, symbols):
    """The profile of training pairs with these sources, and their codec."""
    codec = Vocabulary("characters", tuple(symbols))
    values = np.array([codec._ids[letter] for letter in "".join(texts)], np.int32)
    sources = Sequences.of_lengths(values, np.array([len(text) for text in texts]))
    result = Profile(Codecs(codec, codec))
    result.add(Pairs(sources, sources))
    return result.to_json(), codec


def shifts(before, after):
    (old, old_codec), (new, new_codec) = profile(*before), profile(*after)
    return {shift.name: shift for shift in shifts_between(old, new, (old_codec, new_codec), 0.25)}


ABC = ["abc", "ab", "c"] * 200


def test_the_same_data_has_not_drifted_whatever_ids_its_symbols_have():
    found = shifts((ABC, "abc"), (ABC, "0abcz"))
    assert {shift.verdict for shift in found.values()} == {"stable"}
    assert set(found) == {"source_length", "unknown_symbols", "symbols"}


def test_longer_sources_other_symbols_and_new_ones_have():
    longer = shifts((ABC, "abc"), (["abcabcabc"] * 600, "abc"))
    assert longer["source_length"].verdict == "shifted"
    other = shifts((ABC, "abc"), (["aab", "aa", "a"] * 200, "abc"))
    assert (other["symbols"].verdict, other["source_length"].verdict) == ("shifted", "stable")
    new = shifts((ABC, "abc"), (["abx", "xb", "x"] * 200, "abx"))
    assert new["unknown_symbols"].verdict == "shifted"
    assert new["unknown_symbols"].now_value == pytest.approx(0.5)


def test_drift_is_a_rule_and_few_rows_do_not_break_it():
    drifted = GOOD._replace(shifts=tuple(shifts((ABC, "abc"), (["aab", "aa", "a"] * 200, "abc")).values()))
    assert levels(drifted)["drift"] == "warning" or "warning" in [
        one.level for one in check(drifted, TrainingChecks(), 0.25)
    ]
    few = GOOD._replace(shifts=tuple(shifts((ABC, "abc"), (["a"] * 9, "abc")).values()))
    assert "warning" not in [one.level for one in check(few, TrainingChecks(), 0.25)]
