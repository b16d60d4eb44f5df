import numpy as np
import pytest

from tasks.seq2seq.inference.search import beam
from tasks.seq2seq.inference.search.beam import BeamSettings, beam_search
from tasks.seq2seq.inference.search.hypotheses import length_penalty
from tasks.seq2seq.inference.search.step_by_step import decode_step_by_step
from tests.helpers.tables import Counted, Tables, all_sequences, beam_in_python, by_source, rows_of

END = 2  # neither the first token nor the last


def searched(table, n_steps, end, width, power=0.0, n_best=1, sources=None):
    """What beam search makes of the sources of a table."""
    settings = BeamSettings(n_steps, end, width, power, n_best)
    return beam_search(table.step, table.encoded(sources), 0, settings)


def assert_same(found, expected):
    """Tokens and cuts are equal, and ranks but for rounding."""
    assert [(tokens, cut) for tokens, _, cut in found] == [(tokens, cut) for tokens, _, cut in expected]
    assert [rank for _, rank, _ in found] == pytest.approx([rank for _, rank, _ in expected], abs=2e-5)


def test_the_length_penalty_is_that_of_the_paper():
    assert length_penalty(1, 0.7) == 1
    assert length_penalty(7, 1.0) == 2
    assert length_penalty(np.array([1, 7, 19]), 2.0).tolist() == [1, 4, 16]
    assert length_penalty(100, 0.0) == 1


@pytest.fixture(scope="module")
def exhausted():
    """25 random models of 4 tokens, with an end and without, and their sequences of 4 steps by length penalty."""
    table = Tables(25, 4, 85, seed=1)
    every = {
        (end, power): [all_sequences(table, i, 4, end, power) for i in range(table.n)]
        for end, power in ((END, 0.0), (END, 0.8), (END, 3.0), (None, 0.0))
    }
    return table, every


@pytest.mark.parametrize(("end", "power"), [(END, 0.0), (END, 0.8), (END, 3.0), (None, 0.0)])
def test_a_wide_beam_finds_every_sequence_there_is_in_order(exhausted, end, power):
    """And no others: it asks for more than there are."""
    table, every = exhausted
    for found, expected in zip(by_source(searched(table, 4, end, 300, power, 300)), every[end, power], strict=True):
        assert_same(found, expected)


@pytest.mark.parametrize(("power", "n_best"), [(0.0, 1), (0.0, 3), (0.8, 3), (3.0, 1)])
def test_stopping_early_finds_the_same_best(exhausted, power, n_best):
    """A search for few sequences stops once they cannot be overtaken; each source alone at its own step."""
    table, every = exhausted
    for found, expected in zip(by_source(searched(table, 4, END, 300, power, n_best)), every[END, power], strict=True):
        assert_same(found, expected[:n_best])


@pytest.mark.parametrize(
    ("end", "power", "width"), [(None, 0.0, 3), (END, 0.0, 2), (END, 0.0, 5), (END, 0.6, 3), (END, 2.0, 2)]
)
def test_a_narrow_beam_prunes_as_one_written_down_in_python(end, power, width):
    """Which never stops early, of lengths from none to all; those that are done are dropped on the way."""
    n_steps = 21
    table = Tables(40, 7, 501, seed=width).favour(END, np.linspace(-4, 2, 40))
    decoded = searched(table, n_steps, end, width, power, width)
    if end is not None:
        assert len(set(decoded.tokens.lengths.tolist())) > 7
        assert 0.1 < decoded.at_limit.mean() < 0.9
    only_best = rows_of(searched(table, n_steps, end, width, power).tokens)
    for source, found in enumerate(by_source(decoded)):
        expected = beam_in_python(table, source, n_steps, end, width, power)
        assert_same(found, expected)
        assert only_best[source] == expected[0][0]


@pytest.mark.parametrize("end", [END, None])
@pytest.mark.parametrize("n_steps", [1, 5, 35])
def test_a_beam_of_one_is_greedy_decoding_to_the_last_token(end, n_steps):
    """Of 400 models, many of whose tokens are equally likely."""
    table = Tables(400, 6, 211, seed=n_steps, digits=0).favour(END, np.repeat([-2, -1, 0, 1], 100))
    expected = decode_step_by_step(table.step, table.encoded(), 0, n_steps, end)
    decoded = searched(table, n_steps, end, 1, power=1.0)
    assert rows_of(decoded.tokens) == rows_of(expected.tokens)
    assert decoded.at_limit.tolist() == expected.at_limit.tolist()
    assert decoded.log_probability == pytest.approx(expected.log_probability, abs=1e-5)


def test_no_step_is_taken_once_the_best_cannot_be_overtaken():
    """The end has a probability of 0.9 in the second step, and what else there was is 20 times less likely."""
    table = Counted(1, 4, 21, spread=0)
    table.logits[0, 0] = [3, 0, -9, -9]
    table.logits[0, 1, END] = 3.3
    assert rows_of(searched(table, 10, END, 3).tokens) == [(0,)]
    assert len(table.rows) == 2
    searched(table, 10, END, 3, n_best=3)
    assert len(table.rows) > 4


def test_the_first_step_is_taken_for_one_hypothesis_of_each_source():
    table = Counted(3, 4, 21)
    searched(table, 3, None, 5)
    assert table.rows == [3, 15, 15]


@pytest.mark.parametrize("power", [0.0, 1.0])
def test_a_length_penalty_makes_the_longer_of_two_win(power):
    """One token and the end: 0.6 * 0.5 = 0.3. Three and the end: 0.4 * 0.7 ** 3 = 0.14; per length 0.9 and 1.3."""
    table = Tables(1, 4, 1000, spread=0)
    table.logits[:] = np.log([0.001, 0.001, 0.99, 0.001])
    first, second = table.after(0, 0), table.after(0, 1)
    third, fourth = table.after(second, 1), table.after(table.after(second, 1), 1)
    table.logits[0, 0] = np.log([0.6, 0.4, 1e-9, 1e-9])
    table.logits[0, first] = np.log([0.25, 0.25, 0.5, 1e-9])
    table.logits[0, [second, third, fourth]] = np.log(
        [[0.1, 0.9, 1e-9, 1e-9], [0.1, 0.9, 1e-9, 1e-9], [0.1, 1e-9, 0.9, 1e-9]]
    )
    decoded = searched(table, 6, END, 2, power)
    assert rows_of(decoded.tokens) == [((1, 1, 1) if power else (0,))]


def test_an_end_in_the_last_step_is_an_end_and_a_missing_one_cuts():
    """0 and 0 and then the end, with probabilities of nearly 1."""
    table = Tables(1, 4, 21, spread=0).favour(0, 9)
    table.logits[0, table.after(table.after(0, 0), 0)] = [0, 0, 9, 0]
    ended, cut = (searched(table, n_steps, END, 3) for n_steps in (3, 2))
    assert (rows_of(ended.tokens), ended.at_limit.tolist(), ended.scores.lengths.tolist()) == ([(0, 0)], [False], [3])
    assert (rows_of(cut.tokens), cut.at_limit.tolist(), cut.scores.lengths.tolist()) == ([(0,)], [True], [1])


def test_of_one_step_only_an_end_can_come():
    """The likeliest token of one model is the end, of the other another."""
    table = Tables(2, 4, 1, spread=0)
    table.logits[[0, 1], 0, [END, 1]] = 2
    assert by_source(searched(table, 1, END, 3, n_best=3)) == [
        [((), pytest.approx(2 - np.log(3 + np.exp(2))), False)],
        [((), 0, True)],
    ]


def test_hypotheses_that_do_not_exist_are_not_given():
    """Of two tokens in two steps there are four sequences; with one of them the end, of many steps, few more."""
    assert searched(Tables(5, 2, 7), 2, None, 10, n_best=10).counts.tolist() == [4] * 5
    decoded = searched(Tables(5, 2, 50), 20, 1, 40, n_best=40)
    assert decoded.counts.tolist() == [20] * 5
    assert np.isfinite(decoded.rank).all()


def test_every_token_comes_with_its_log_probability_and_the_end_too():
    table = Tables(30, 5, 301, seed=4).favour(END, -1)
    decoded = searched(table, 25, END, 4, 0.8, 4)
    at = np.flatnonzero(decoded.tokens.lengths > 3)
    assert (decoded.scores.lengths - decoded.tokens.lengths == ~decoded.at_limit).all()
    for row in at[:40]:
        source = int(np.searchsorted(np.cumsum(decoded.counts), row, side="right"))
        tokens, code = [*decoded.tokens[row].tolist(), *([] if decoded.at_limit[row] else [END])], 0
        for token, score in zip(tokens, decoded.scores[row].tolist(), strict=True):
            assert score == pytest.approx(table.scores(source, code)[token], abs=1e-5)
            code = table.after(code, token)
        assert decoded.log_probability[row] == pytest.approx(decoded.scores[row].sum(), abs=1e-4)
        assert decoded.rank[row] == pytest.approx(decoded.log_probability[row] / length_penalty(len(tokens), 0.8))


def test_of_many_candidates_the_best_are_those_of_sorting_them_all(monkeypatch):
    """Many of which are equally likely: of those the first win."""
    table = Tables(20, 30, 211, digits=0).favour(END, -1)
    expected = searched(table, 12, END, 4, 0.6, 4)
    monkeypatch.setattr(beam, "MANY", 8)
    found = searched(table, 12, END, 4, 0.6, 4)
    assert by_source(found) == by_source(expected)


def test_equally_likely_hypotheses_come_in_the_order_of_their_tokens():
    assert rows_of(searched(Tables(1, 4, 1, spread=0), 2, None, 5, n_best=5).tokens) == [
        (0, 0), (0, 1), (0, 2), (0, 3), (1, 0),
    ]  # fmt: skip


def told(table, choices):
    """Makes the table, after each history of `choices`, say its tokens with these probabilities and hardly any other."""
    for history, probabilities in choices.items():
        code = 0
        for token in history:
            code = table.after(code, token)
        table.logits[0, code] = -30
        table.logits[0, code, list(probabilities)] = np.log(list(probabilities.values()))
    return table


def test_a_hypothesis_is_followed_back_to_the_one_that_it_goes_on_from():
    """The second of the first step becomes the first of the second, and both of the third go on from it."""
    table = told(
        Tables(1, 6, 10_007, spread=0),
        {(): {0: 0.6, 1: 0.4}, (0,): {3: 0.5, 4: 0.5}, (1,): {5: 1.0}, (1, 5): {3: 0.6, 4: 0.4}, (0, 3): {END: 1.0}},
    )
    found = searched(table, 3, None, 2, n_best=2)
    assert rows_of(found.tokens) == [(0, 3, END), (1, 5, 3)]
    assert np.exp(found.log_probability) == pytest.approx([0.3, 0.24], abs=1e-5)
    assert np.exp(found.scores[1]) == pytest.approx([0.4, 1, 0.6], abs=1e-5)


def test_a_source_that_is_done_is_dropped_and_the_others_go_on():
    """Each of 8 sources ends for certain at its own step."""
    table = Counted(8, 4, 1009, spread=0).favour(END, -50).favour(1, 9)
    steps = [1, 2, 4, 4, 4, 4, 6, 9]
    for source, step in enumerate(steps):
        code = 0
        for _ in range(step):
            code = table.after(code, 1)
        table.logits[source, code, END] = 80
    assert searched(table, 20, END, 3).tokens.lengths.tolist() == steps
    assert [rows // 3 for rows in table.rows[1:]] == [8, 8, 6, 6, 2, 2, 1, 1, 1]


@pytest.mark.parametrize("seed", range(4))
def test_sources_are_searched_the_same_in_any_order_and_company(seed):
    """To the last bit, also one source alone."""
    table = Tables(60, 9, 1009, seed=2).favour(END, np.tile(np.linspace(-4, 2, 20), 3))
    whole, rng = searched(table, 40, END, 4, 0.7, 4), np.random.default_rng(seed)
    assert 0.02 < whole.at_limit.mean() < 0.6
    sources = rng.choice(60, [1, 7, 40, 100][seed])
    found, expected = searched(table, 40, END, 4, 0.7, 4, sources), whole.take(sources)
    assert by_source(found) == by_source(expected)
    assert rows_of(found.scores) == rows_of(expected.scores)
