"""Numbers and names as pages write them."""

import pytest

from tasks.reporting import wording
from tasks.seq2seq.metrics.table import METRICS


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (100_000, "100,000"), (True, "yes"), (None, "none"), (0.123456, "0.1235"), (123_456.7, "123,457"),
        ([1, 2000], "1, 2,000"), ("a", "a"), (float("nan"), "nan"),
    ],
)  # fmt: skip
def test_values_are_written_once_for_all_pages(value, said):
    assert wording.write_value(value) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.0004, "0.4 ms"), (0.9, "900 ms"), (12.34, "12.3 s"), (200.7, "3 min 20 s"), (7300, "2 h 1 min")],
)
def test_times_are_in_the_unit_that_fits(seconds, said):
    assert wording.write_duration(seconds) == said


@pytest.mark.parametrize(("n", "said"), [(12, "12 bytes"), (1500, "1.5 KB"), (2_345_678, "2.35 MB"), (3e9, "3 GB")])
def test_sizes_are_in_the_unit_that_fits(n, said):
    assert wording.write_size(n) == said


def test_shares_are_percent_and_errors_are_not():
    assert wording.write_score("sequence_accuracy", 0.35081) == "35.08 %"
    assert wording.write_score("sequence_accuracy_interval", [0.3, 0.4]) == "30.00 % to 40.00 %"
    assert wording.write_score("mae_interval", [0.3, 0.4]) == "0.3 to 0.4"
    assert wording.write_score("mae", 0.35081) == "0.3508"


def test_no_metric_is_called_by_its_short_name():
    for metric in METRICS:
        assert "_" not in wording.name_of_field(metric.name)
        assert not wording.name_of_field(metric.name).startswith("n ")
        assert "`" not in wording.meanings_of(metric.kind)[metric.name]


def test_what_a_score_says_is_that_of_its_kind():
    assert "digits" in wording.meanings_of("vectors")["distinct_predictions"]
    assert "digits" not in wording.meanings_of("tokens")["distinct_predictions"]


def test_a_sentence_has_the_names_and_numbers_of_pages():
    said = wording.as_on_pages("relative_mae 0.12345 of 10000 is below 0.9, in v1.20000 and a2000")
    assert said == "error relative to the best simple forecast 0.12345 of 10,000 is below 0.9, in v1.20000 and a2000"


@pytest.mark.parametrize(("words", "said"), [([], ""), (["a"], "a"), (["a", "b", "c"], "a, b and c")])
def test_words_are_listed_as_in_a_sentence(words, said):
    assert wording.join_words(words) == said
