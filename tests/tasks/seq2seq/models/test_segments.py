"""Batches of sources whose sequences end after 0 to 60 steps: those that go on are packed together."""

import numpy as np
import pytest
import tensorflow as tf

from tasks.seq2seq.arrays.hashing import mix
from tasks.seq2seq.models.beam import BeamSearch
from tasks.seq2seq.models.decoding import SEGMENT_STEPS, StepByStep, likeliest, sampler
from tasks.seq2seq.models.segments import filled, fitting_size
from tests.helpers.tables import Tables, by_source, decode, greedy_in_python, rows_of

END, N_STEPS, N = 2, 60, 120
METHODS = {"greedy": (1, False), "sample": (1, True), "beam": (4, False)}  # hypotheses, and whether it draws
SIZES = (1, 32, 128)


class Method:
    """A way to decode the same 120 sources, which are given by their numbers."""

    def __init__(self, name):
        self.width, draws = METHODS[name]
        self.table = Tables(N, 9, 1009, seed=2).favour(END, np.tile(np.linspace(-4, 2, 40), 3))
        choose = sampler(1.2, 5) if draws else likeliest
        self.search = (
            BeamSearch(self.table.step, N_STEPS, END, self.width, 0.7, self.width)
            if name == "beam"
            else StepByStep(self.table.step, choose, N_STEPS, END)
        )
        self.decoder = self.table.decoder(self.search, sizes=SIZES, draws=draws)
        self.keys = mix(np.arange(N, dtype=np.uint64)) if draws else None
        self.whole = self.decode(np.arange(N))

    def decode(self, sources):
        keys = None if self.keys is None else self.keys[sources]
        rows = self.table.sources[sources]
        return decode(self.decoder, rows, self.search, penalty=0.7, n_best=self.width, keys=keys)


@pytest.fixture(scope="module", params=METHODS)
def method(request):
    return Method(request.param)


def assert_same(found, expected):
    """Tokens and cuts are equal, and scores but for rounding: sums over one row are not made as over many."""
    assert rows_of(found.tokens) == rows_of(expected.tokens)
    assert found.counts.tolist() == expected.counts.tolist()
    assert found.at_limit.tolist() == expected.at_limit.tolist()
    assert found.rank == pytest.approx(expected.rank, abs=1e-5)
    assert found.scores.values == pytest.approx(expected.scores.values, abs=1e-5)


def test_the_lengths_differ_so_that_a_mistake_would_be_seen(method):
    """Some end in each of the four segments."""
    steps = method.whole.scores.lengths
    assert min(np.bincount(steps // SEGMENT_STEPS, minlength=4)[:4]) >= 3
    assert 0.02 < method.whole.at_limit.mean() < 0.6
    assert len(set(rows_of(method.whole.tokens))) > 0.7 * len(method.whole.tokens)


def test_a_source_alone_is_decoded_as_among_others(method):
    for source in range(0, N, 5):
        assert_same(method.decode(np.array([source])), method.whole.take(np.array([source])))


@pytest.mark.parametrize("seed", range(4))
def test_sources_are_decoded_the_same_in_any_order_and_company(method, seed):
    rng = np.random.default_rng(seed)
    sources = rng.choice(N, rng.integers(2, N), replace=seed % 2 == 0)
    assert_same(method.decode(sources), method.whole.take(sources))


def test_greedy_decoding_in_segments_is_that_of_a_plain_loop():
    method = Method("greedy")
    for source, ((tokens, rank, cut),) in enumerate(by_source(method.whole)):
        expected, scores, expected_cut = greedy_in_python(method.table, source, N_STEPS, END)
        assert (tokens, cut) == (expected, expected_cut)
        assert method.whole.log_probability[source] == pytest.approx(sum(scores), abs=1e-4)
        assert rank == method.whole.rank[source]


class Recorded(Tables):
    """A table that keeps how many rows each step was taken for."""

    def __init__(self, *arguments, **keywords):
        super().__init__(*arguments, **keywords)
        self.rows, self.taken = tf.Variable(tf.zeros((100,), tf.int32)), tf.Variable(0)

    def step(self, tokens, state, memory):
        self.rows.scatter_nd_update([[self.taken]], [tf.size(tokens)])
        self.taken.assign_add(1)
        return super().step(tokens, state, memory)

    def history(self):
        return self.rows.numpy()[: int(self.taken.numpy())].tolist()


@pytest.mark.parametrize("width", [1, 3])
def test_sources_that_have_ended_take_no_part_in_the_next_segment(width):
    """Of 33 sources 10 go on after 16 steps and one after 32; nothing is done once it has ended, in its 40th."""
    table = Recorded(33, 4, 1009, spread=0).favour(END, -50).favour(1, 9)
    for sources, step in ((slice(0, 23), 15), (slice(23, 32), 20), (32, 39)):
        code = 0
        for _ in range(step):
            code = table.after(code, 1)
        table.logits[sources, code, END] = 50
    search = StepByStep(table.step, likeliest, 64, END) if width == 1 else BeamSearch(table.step, 64, END, width)
    decoded = decode(table.decoder(search, sizes=(1, 16, 64)), table.sources, search)
    assert decoded.tokens.lengths.tolist() == [15] * 23 + [20] * 9 + [39]
    assert table.history() == [64] + [64 * width] * 15 + [16 * width] * 16 + [width] * 8


def test_the_steps_of_the_last_segment_are_no_more_than_asked_for():
    table = Recorded(1, 4, 100).favour(END, -50)
    search = StepByStep(table.step, likeliest, 21, END)
    decoded = decode(table.decoder(search), table.sources, search)
    assert (decoded.tokens.lengths.tolist(), decoded.at_limit.tolist(), len(table.history())) == ([20], [True], 21)


def test_a_long_decode_without_an_end_goes_on_through_all_segments():
    table = Recorded(5, 4, 1009)
    search = StepByStep(table.step, likeliest, 40, None)
    decoded = decode(table.decoder(search, sizes=(5,)), table.sources, search)
    assert decoded.tokens.lengths.tolist() == [40] * 5
    assert len(table.history()) == 40
    assert rows_of(decoded.tokens) == [greedy_in_python(table, i, 40, None)[0] for i in range(5)]


def test_a_batch_is_filled_up_with_its_first_row_to_the_next_size():
    assert [fitting_size(n, (1, 32, 256)) for n in (1, 2, 32, 33, 256)] == [1, 32, 32, 256, 256]
    assert filled(np.array([[4], [5]]), 4).tolist() == [[4], [5], [4], [4]]
    array = np.zeros((2, 1))
    assert filled(array, 2) is array
