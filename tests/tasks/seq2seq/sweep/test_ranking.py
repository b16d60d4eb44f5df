"""Which trials are best."""

from tasks.seq2seq.sweep.ranking import best_of, best_so_far, rank, rank_finalists
from tasks.seq2seq.sweep.trials import Result, Trial


def result(number, score, settings=None, seed=0):
    trial = Trial(number, settings or {"model.units": number}, seed)
    if score is None:
        return Result.without_score(trial, "refused", "for the test")
    return Result(**trial._asdict(), state="scored", score=score)


RESULTS = [result(0, 0.5), result(1, None), result(2, 0.9), result(3, 0.5), result(4, 0.1)]


def numbers(results):
    return [one.number for one in results]


def test_trials_are_ranked_either_way_equals_in_their_order_and_those_without_a_score_last():
    assert numbers(rank(RESULTS, "maximize")) == [2, 0, 3, 4, 1]
    assert numbers(rank(RESULTS, "minimize")) == [4, 0, 3, 2, 1]


def test_the_best_are_of_different_settings_and_have_a_score():
    same = [result(0, 0.9, {"model.units": 8}), result(1, 0.9, {"model.units": 8}), result(2, 0.2), result(3, None)]
    assert numbers(best_of(same, "maximize", 3)) == [0, 2]


def test_the_best_so_far_never_gets_worse():
    assert best_so_far(RESULTS, "maximize") == [0.5, 0.5, 0.9, 0.9, 0.9]
    assert best_so_far(RESULTS[1:], "minimize") == [None, 0.9, 0.5, 0.1]
    assert best_so_far([], "minimize") == []


def test_the_best_by_one_seed_is_not_the_best_by_three():
    best = [result(0, 0.9), result(1, 0.8)]
    again = [result(0, 0.3, seed=1), result(1, 0.7, seed=1), result(0, 0.3, seed=2), result(1, 0.9, seed=2)]
    first, second = rank_finalists(best, again, "maximize")
    assert (first.number, first.scores) == (1, {0: 0.8, 1: 0.7, 2: 0.9})
    assert (round(first.mean, 9), first.low, first.high) == (0.8, 0.7, 0.9)
    assert (second.number, second.mean) == (0, 0.5)


def test_settings_that_cannot_be_trained_with_every_seed_stand_behind_those_that_can():
    best = [result(0, 0.9), result(1, 0.2)]
    again = [result(0, None, seed=1), result(1, 0.2, seed=1)]
    assert numbers(rank_finalists(best, again, "maximize")) == [1, 0]
