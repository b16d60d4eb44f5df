import numpy as np
import pytest

from tasks.seq2seq.arrays.hashing import mix
from tasks.seq2seq.inference.search.methods import METHODS, Search
from tasks.seq2seq.settings.decoding import DECODING_METHODS, DecodingSettings
from tests.helpers.tables import Counted, beam_in_python, by_source, greedy_in_python, rows_of

END, N_STEPS, N = 2, 8, 10


def test_the_settings_know_the_methods_of_the_table():
    assert list(METHODS) == list(DECODING_METHODS)


def test_the_settings_of_a_method_are_settings_of_decoding_and_of_no_other_method():
    settings = [setting for rule in DECODING_METHODS.values() for setting in rule.settings]
    assert set(settings) <= set(DecodingSettings.model_fields)
    assert len(set(settings)) == len(settings)


@pytest.fixture
def table():
    """Sources whose sequences end in their third step at the earliest, so that none is dropped before."""
    table = Counted(N, 6, 211, seed=5)
    table.logits[:, [0, *(table.after(0, token) for token in range(6))], END] = -50
    return table


def searched(table, **settings):
    """What a method finds, with numbers to draw by where it draws."""
    decoding = DecodingSettings(**settings)
    method = METHODS[decoding.method]
    keys = mix(np.arange(N, dtype=np.uint64)) if method.draws else None
    return method.search(table.step, Search(table.encoded(), 0, N_STEPS, END, keys), decoding)


@pytest.mark.parametrize("name", METHODS)
def test_a_method_follows_as_many_hypotheses_as_it_says(table, name):
    decoding = DecodingSettings(method=name, **({"beam_width": 3} if name == "beam" else {}))
    searched(table, **decoding.model_dump(exclude_unset=True))
    assert max(table.rows) == N * METHODS[name].width(decoding)


def test_greedy_takes_the_likeliest_token(table):
    found = rows_of(searched(table).tokens)
    assert found == [greedy_in_python(table, source, N_STEPS, END)[0] for source in range(N)]


def test_beam_search_has_the_width_the_penalty_and_the_number_of_the_settings(table):
    found = by_source(searched(table, method="beam", beam_width=4, length_penalty=1.5, n_best=2))
    for source in range(N):
        expected = beam_in_python(table, source, N_STEPS, END, 4, 1.5)[:2]
        assert [tokens for tokens, _, _ in found[source]] == [tokens for tokens, _, _ in expected]


def test_samples_have_the_temperature_and_the_number_of_tokens_of_the_settings(table):
    likeliest = rows_of(searched(table).tokens)
    assert rows_of(searched(table, method="sample").tokens) != likeliest
    assert rows_of(searched(table, method="sample", temperature=1e-4).tokens) == likeliest
    assert rows_of(searched(table, method="sample", top_k=1).tokens) == likeliest
