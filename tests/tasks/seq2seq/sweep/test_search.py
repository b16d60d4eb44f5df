"""The search, with draws that are written down and trials that are calculated."""

from tasks.seq2seq.sweep.search import search
from tasks.seq2seq.sweep.trials import Result, Trial


class Listed:
    """Draws the numbers from 0 on, and keeps what it was told."""

    def __init__(self):
        self.n, self.told = 0, []

    def ask(self, n):
        self.n += n
        return [{"model.units": i} for i in range(self.n - n, self.n)]

    def tell(self, scores):
        self.told.append(list(scores))


def scored(trial):
    """More units are better, another seed worse; of 3 units there is no model."""
    units = trial.settings["model.units"]
    if units == 3:
        return Result.without_score(trial, "refused", "3 units are too few")
    return Result(**trial._asdict(), state="scored", score=units - trial.seed / 100)


def run(n, generation, try_them=None, seed=0):
    asked, draws = [], Listed()

    def try_each(trials):
        asked.append([(trial.number, trial.seed) for trial in trials])
        return (try_them or (lambda these: [scored(one) for one in these]))(trials)

    return search(draws, try_each, n, generation, seed, "maximize"), asked, draws


def test_trials_are_drawn_a_generation_at_a_time_and_told_in_their_order_the_refused_ones_too():
    found, asked, draws = run(5, 2)
    assert asked[:3] == [[(0, 0), (1, 0)], [(2, 0), (3, 0)], [(4, 0)]]
    assert draws.told == [[0, 1], [2, None], [4]]
    assert [result.state for result in found.results] == ["scored"] * 3 + ["refused", "scored"]
    assert found.is_complete


def test_the_best_three_are_tried_again_with_two_more_seeds_one_seed_after_the_other():
    found, asked, _ = run(5, 5, seed=7)
    assert asked[1:] == [[(4, 8), (2, 8), (1, 8), (4, 9), (2, 9), (1, 9)]]
    assert [one.number for one in found.finalists] == [4, 2, 1]
    assert list(found.finalists[0].scores) == [7, 8, 9]


def test_a_search_in_which_nothing_has_a_score_has_no_finalists():
    found, asked, _ = run(4, 2, lambda these: [Result.without_score(one, "refused", "no") for one in these])
    assert len(asked) == 2
    assert (found.finalists, found.is_complete, len(found.results)) == ([], True, 4)


def test_where_trials_are_left_out_it_ends_with_what_there_is():
    found, _, draws = run(6, 3, lambda these: [scored(one) if one.number < 4 else None for one in these])
    assert [result.number for result in found.results] == [0, 1, 2, 3]
    assert [(trial.number, trial.settings) for trial in found.waiting] == [
        (4, {"model.units": 4}),
        (5, {"model.units": 5}),
    ]
    assert not found.is_complete
    assert draws.told == [[0, 1, 2]]
    assert [one.number for one in found.finalists] == [2, 1, 0]
    assert [len(one.scores) for one in found.finalists] == [1, 1, 1]


def test_a_seed_that_not_all_of_the_best_were_tried_with_counts_for_none():
    """Else one would be the mean of three and another one lucky draw."""

    def until(trials):
        return [scored(one) if (one.seed, one.number) != (2, 0) else None for one in trials]

    found, _, _ = run(3, 3, until)
    assert [len(one.scores) for one in found.finalists] == [2, 2, 2]
    assert found.waiting == [Trial(0, {"model.units": 0}, 2)]
    assert not found.is_complete
