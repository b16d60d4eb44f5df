"""What is drawn follows from the seed and the scores."""

import pytest

from tasks.seq2seq.sweep.draws import Draws
from tasks.seq2seq.sweep.space import Choice, Range

pytestmark = pytest.mark.seconds  # optuna takes a second to load

SPACE = (
    Choice("model.cell", ("lstm", "gru")),
    Choice("data.columns", ([1, 2], None)),
    Range("model.units", 4, 256, log=True, is_whole=True),
    Range("training.learning_rate", 1e-4, 1e-1, log=True, is_whole=False),
)


def score(settings):
    return -abs(settings["model.units"] - 100) / 100 - 10 * abs(settings["training.learning_rate"] - 0.01)


def drawn(seed=0, n=32, generation=4, direction="maximize", scores=score):
    draws, found = Draws(SPACE, direction, seed), []
    for _ in range(n // generation):
        asked = draws.ask(generation)
        draws.tell([scores(settings) for settings in asked])
        found += asked
    return found


def test_the_same_seed_and_scores_draw_the_same_and_others_do_not():
    assert drawn() == drawn()
    assert drawn(seed=1) != drawn()
    assert drawn(scores=lambda settings: -score(settings)) != drawn()


def test_failed_trials_are_part_of_what_is_drawn_again():
    def often(settings):
        return None if settings["model.cell"] == "gru" else score(settings)

    assert drawn(scores=often) == drawn(scores=often)


def test_draws_lie_in_the_space_and_are_values_that_settings_take():
    for settings in drawn():
        assert list(settings) == [one.setting for one in SPACE]
        assert settings["model.cell"] in ("lstm", "gru")
        assert settings["data.columns"] in ([1, 2], None)
        assert type(settings["model.units"]) is int
        assert 4 <= settings["model.units"] <= 256
        assert 1e-4 <= settings["training.learning_rate"] <= 1e-1
        assert len(repr(settings["training.learning_rate"])) <= 11


def test_scores_lead_the_draws_to_where_the_best_is_in_either_direction():
    """The mean of the last of 80 trials against the first ten, which are drawn evenly."""
    for direction, sign in (("maximize", 1), ("minimize", -1)):
        values = [
            score(one) for one in drawn(n=80, direction=direction, scores=lambda one, sign=sign: sign * score(one))
        ]
        assert sum(values[-20:]) / 20 > sum(values[:10]) / 10 + 0.2


def test_the_draws_of_a_generation_are_not_all_alike():
    """None of their scores is known when the next one is drawn; else half of them would be trained twice."""
    draws = Draws((Range("model.units", 1, 60, log=False, is_whole=True),), "maximize", 0)
    for _ in range(4):
        asked = draws.ask(12)
        draws.tell([-abs(one["model.units"] - 20) for one in asked])
    assert len({one["model.units"] for one in asked}) >= 9
