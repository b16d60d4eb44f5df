import numpy as np
import pytest

from tasks.seq2seq.errors import DataError, TrainingError
from tasks.seq2seq.metrics.metric import Counters, VectorTarget
from tasks.seq2seq.metrics.quantiles import QUANTILE_METRICS, QuantileScorer, pinball_losses
from tasks.seq2seq.metrics.table import metrics_of, score_lines

QUANTILES = (0.1, 0.5, 0.9)
# Two windows of two steps and one feature.
TRUTH = np.array([[1.0, 2.0], [4.0, -8.0]])[..., None]
MEDIAN = np.array([[2.0, 2.0], [2.0, -6.0]])[..., None]
LOW, HIGH = MEDIAN - 1, MEDIAN + 3


def scores(parts=((TRUTH, MEDIAN, LOW, HIGH),), quantiles=QUANTILES):
    counters = Counters(metrics_of("vectors"), VectorTarget(quantiles=quantiles))
    for truth, median, low, high in parts:
        counters.add(truth, median, quantiles={0.1: low, 0.9: high})
    return counters.scores()


def test_a_value_above_costs_the_quantile_and_one_below_the_rest():
    found = pinball_losses(np.array([3.0, 3.0, 3.0]), np.array([1.0, 3.0, 7.0]), 0.9)
    assert found.tolist() == pytest.approx([0.9 * 2, 0.0, 0.1 * 4])


def test_the_losses_are_those_computed_by_hand():
    """Of step 1: errors -1, 2 of the median; 0, 3 of the low one; -4, -1 of the high one. Of step 2: 0, -2; 1, -1; ..."""
    first = [0.5 * 1 + 0.5 * 2, 0.1 * 0 + 0.1 * 3, 0.1 * 4 + 0.1 * 1]
    second = [0.5 * 0 + 0.5 * 2, 0.1 * 1 + 0.9 * 1, 0.1 * 3 + 0.1 * 5]
    found = scores()
    assert found["pinball_loss_by_step"] == pytest.approx([sum(first) / 6, sum(second) / 6])
    assert found["pinball_loss"] == pytest.approx(sum(first + second) / 12)
    assert found["weighted_quantile_loss"] == pytest.approx(2 * sum(first + second) / 3 / (1 + 2 + 4 + 8))


def test_a_median_alone_costs_half_the_absolute_error():
    found = scores(quantiles=(0.5,))
    assert found["pinball_loss"] == pytest.approx(found["mae"] / 2)
    assert found["interval_coverage"] == found["interval_width"] == {}


def test_values_on_the_ends_of_an_interval_lie_in_it():
    """The intervals are 1..5 with 1, 1..5 with 2, 1..5 with 4, and -7..-3 with -8."""
    found = scores()
    assert found["interval_coverage"] == {"0.8": 0.75}
    assert found["interval_coverage_by_step"] == {"0.8": [1.0, 0.5]}
    assert found["interval_width"] == {"0.8": 4.0}
    assert found["interval_width_by_step"] == {"0.8": [4.0, 4.0]}


def test_batches_add_up_to_what_they_are_together_and_features_count_alike():
    parts = [[values[i : i + 1] for values in (TRUTH, MEDIAN, LOW, HIGH)] for i in range(2)]
    for name in ("pinball_loss", "pinball_loss_by_step", "weighted_quantile_loss", "interval_coverage"):
        assert scores(parts)[name] == pytest.approx(scores()[name])
    wide = [np.concatenate([values, values], axis=2) for values in (TRUTH, MEDIAN, LOW, HIGH)]
    assert scores([wide])["pinball_loss_by_step"] == pytest.approx(scores()["pinball_loss_by_step"])
    assert scores([wide])["interval_coverage"] == scores()["interval_coverage"]


def test_the_true_quantiles_of_noise_cover_their_share():
    truth = np.random.default_rng(0).normal(size=(4000, 2, 1))
    low, median, high = (np.full_like(truth, value) for value in (-1.2815516, 0.0, 1.2815516))
    found = scores([(truth, median, low, high)])
    assert found["interval_coverage"]["0.8"] == pytest.approx(0.8, abs=0.02)
    wider = scores([(truth, median, 2 * low, 2 * high)])
    assert wider["pinball_loss"] > found["pinball_loss"]


def test_a_model_without_quantiles_has_no_scores_of_them():
    counters = Counters(metrics_of("vectors"), VectorTarget())
    counters.add(TRUTH, MEDIAN, quantiles={})
    assert not {metric.name for metric in QUANTILE_METRICS} & counters.scores().keys()


def test_of_nothing_there_is_no_score_and_of_zeros_no_weighted_one():
    empty = np.zeros((0, 2, 1))
    found = scores([(empty, empty, empty, empty)])
    assert {found[name] for name in ("pinball_loss", "weighted_quantile_loss", "interval_coverage")} == {None}
    zeros = np.zeros((1, 2, 1))
    assert scores([(zeros, zeros, zeros, zeros)])["weighted_quantile_loss"] is None


def test_what_an_interval_covers_is_held_against_what_it_should_on_the_terminal():
    lines = list(score_lines(scores()))
    assert "  80 % interval covers 75.0 %, mean width 4" in lines
    assert any(line.startswith("  quantiles: pinball loss 0.4") for line in lines)


def test_numbers_that_are_none_are_refused_by_name():
    scorer = QuantileScorer(QUANTILES)
    with pytest.raises(TrainingError, match=r"quantile 0\.9 of row 1"):
        scorer.add(TRUTH, MEDIAN, {0.1: LOW, 0.9: np.where(TRUTH < 0, np.nan, HIGH)})
    with pytest.raises(DataError, match="reference of row 0"):
        scorer.add(TRUTH * np.inf, MEDIAN, {0.1: LOW, 0.9: HIGH})
