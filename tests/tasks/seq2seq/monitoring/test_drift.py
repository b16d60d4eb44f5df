import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.seq2seq.arrays.sequences import Pairs, Sequences
from tasks.seq2seq.data.codecs import Codecs
from tasks.seq2seq.data.profile import Profile
from tasks.seq2seq.data.scaling import Scaling
from tasks.seq2seq.data.vocabulary import Vocabulary
from tasks.seq2seq.errors import DataError
from tasks.seq2seq.monitoring import drift
from tasks.seq2seq.monitoring.drift import Baseline, DayProfile, compare, percent, population_stability_index

WORDS = Vocabulary("words", ("a", "b"))  # ids 4 and 5, 3 is unknown
SCALING = Scaling((0.0,), (1.0,), (-1.0,), (1.0,))
N_TOKENS = 4


def sequences(rows):
    return Sequences.of_lengths(
        np.array([step for row in rows for step in row], np.int32), np.array(list(map(len, rows)))
    )


def profile(rows, codec=WORDS):
    result = Profile(Codecs(codec, codec))
    result.add(Pairs(sequences(rows), sequences(rows)))
    return json.loads(json.dumps(result.to_json()))


def as_baseline(day):
    return Baseline(**day.model_dump())


def draw(rng, n, *, longer=1, unknown=0.0, outside=0.0, nats=1e-3, rejects=0.0):
    """A day of `n` rows of a log-normal length; confidence spreads over three powers of ten."""
    lengths = longer * np.maximum(1, np.exp(rng.normal(2.5, 0.5, n)).astype(np.int64))
    rejected = int(rng.binomial(n, rejects))
    return DayProfile.of(
        lengths,
        n_unknown=rng.binomial(lengths, unknown),
        outside=rng.random(n) < outside,
        log_probability=-(nats * 10 ** rng.normal(0, 1, n) * N_TOKENS).astype(np.float32),
        n_tokens=np.full(n, N_TOKENS),
    ).with_rows(n + rejected, rejected)


def shift(name, before, now, **options):
    return next(found for found in compare(as_baseline(before), now, **options) if found.name == name)


def lengths_alone(*lengths):
    return DayProfile.of(np.array(lengths))


# The index.


def test_the_index_by_hand():
    """Half and half became nine to one, a quarter added to each count: (q - p) ln(q / (1 - q)) where p is 1/2."""
    q = 90.25 / 100.5
    expected = (q - 0.5) * math.log(q / (1 - q))
    assert population_stability_index(np.array([500.0, 500.0]), np.array([90.0, 10.0])) == pytest.approx(expected)


histograms = st.integers(1, 12).flatmap(
    lambda n: st.tuples(*[st.lists(st.integers(0, 10**6).map(float), min_size=n, max_size=n) for _ in range(2)])
)


@given(histograms)
def test_the_index_is_finite_symmetric_and_never_negative(pair):
    before, now = map(np.array, pair)
    index = population_stability_index(before, now)
    assert 0 <= index < math.inf
    assert index == pytest.approx(population_stability_index(now, before))


def test_the_index_of_the_same_counts_is_0():
    assert population_stability_index(np.array([30.0, 0.0, 5.0]), np.array([30.0, 0.0, 5.0])) == 0


def test_a_bin_that_is_empty_on_both_sides_does_not_count():
    before, now = np.array([30.0, 5.0]), np.array([3.0, 50.0])
    padded = population_stability_index(np.append(before, 0), np.append(now, 0))
    assert padded == population_stability_index(before, now)


# What is counted.


def test_a_day_by_hand():
    """Confidence: 0.02 nats over two tokens is 0.01 a token, where the 21st bin begins; 0 lies below them all."""
    day = DayProfile.of(
        np.array([2, 3, 3]),
        n_unknown=np.array([0, 1, 3]),
        outside=np.array([True, False, True]),
        log_probability=np.array([-0.0201, 0.0, -0.0101], np.float32),
        n_tokens=np.array([2, 5, 1]),
    )
    assert day.with_rows(5, 2).to_json() == {
        "read": 5,
        "rejected": 2,
        "lengths": {"2": 1, "3": 2},
        "steps": 8,
        "symbols": 8,
        "unknown": 4,
        "checked": 3,
        "outside": 2,
        "confidence": {"0": 1, "21": 2},
    }


def test_what_was_not_given_is_not_counted():
    day = DayProfile.of(np.array([2]), log_probability=np.array([-1.0]))
    assert (day.symbols, day.checked, day.confidence, day.read) == (0, 0, {}, 0)


days = st.lists(
    st.tuples(st.integers(0, 3000), st.integers(0, 5), st.booleans(), st.floats(-50, 0), st.integers(0, 4)), max_size=8
)


def day_of(rows):
    columns = np.array(rows, np.float64).reshape(-1, 5).T
    return DayProfile.of(
        columns[0].astype(np.int64),
        n_unknown=columns[1].astype(np.int64),
        outside=columns[2] > 0,
        log_probability=columns[3],
        n_tokens=columns[4].astype(np.int64),
    ).with_rows(len(rows) + 1, 1)


@given(days, days)
def test_parts_of_a_day_add_up_to_the_whole_of_it(one, other):
    parts = [DayProfile.from_json(json.loads(json.dumps(day_of(rows).to_json()))) for rows in (one, other)]
    total = len(one) + len(other) + 2
    whole = day_of(one + other).with_rows(total, 2)
    assert parts[0] + parts[1] == whole
    assert json.dumps((parts[1] + parts[0]).to_json()) == json.dumps(whole.to_json())


def test_the_histogram_of_lengths_is_exact_up_to_512_and_small_beyond():
    assert lengths_alone(*range(513)).lengths == dict.fromkeys(range(513), 1)
    assert lengths_alone(512, 557, 558, 10**12).lengths == {512: 2, 558: 1, 2**31: 1}
    assert len(lengths_alone(*np.geomspace(513, 2**40, 5000).astype(np.int64)).lengths) < 180


def test_the_least_likely_predictions_are_of_the_last_bin():
    log_probability = np.array([-10.1, -1e30, -np.inf, np.nan])
    day = DayProfile.of(np.ones(4, np.int64), log_probability=log_probability, n_tokens=np.array([1, 1, 1, 1]))
    assert day.confidence == {33: 4}


def test_a_prediction_without_tokens_counts_as_one_of_one():
    day = DayProfile.of(np.ones(2, np.int64), log_probability=np.full(2, -0.5), n_tokens=np.array([0, 1]))
    assert list(day.confidence.values()) == [2]


# The training data.


def test_a_baseline_is_what_the_profile_of_a_bundle_tells():
    baseline = Baseline.of(profile([[4, 5, 3], [4], [5]]), WORDS, read=5, rejected=2)
    assert baseline == Baseline(read=5, rejected=2, lengths={1: 2, 3: 1}, steps=5, symbols=5, unknown=1)


def test_lengths_of_a_baseline_share_bins_as_those_of_a_day_do():
    lengths = [513, 514, 600, 600]
    assert Baseline.of(profile([[4] * n for n in lengths]), WORDS).lengths == lengths_alone(*lengths).lengths


def test_a_vocabulary_that_knows_all_symbols_has_no_unknown_ones():
    baseline = Baseline.of(profile([[1, 3, 3]], Vocabulary.identity(3)), Vocabulary.identity(3))
    assert (baseline.rows, baseline.symbols) == (1, 0)


def test_no_row_of_vectors_is_outside_its_own_range():
    lengths = {"rows": 3, "source": {"lengths": {"7": 3}}}
    assert Baseline.of(lengths, SCALING) == Baseline(lengths={7: 3}, steps=21, checked=3)


def test_held_out_rows_tell_the_confidence_and_what_training_data_cannot_show():
    rng = np.random.default_rng(0)
    held_out = draw(rng, 50, unknown=0.2)
    baseline = Baseline.of(profile([[4, 5]]), WORDS, held_out)
    assert (baseline.lengths, baseline.confidence) == ({2: 1}, held_out.confidence)
    assert (baseline.symbols, baseline.unknown) == (held_out.symbols, held_out.unknown)
    vectors = Baseline.of({"source": {"lengths": {"7": 3}}}, SCALING, draw(rng, 50, outside=0.5))
    assert vectors.checked == 50
    assert vectors.outside > 0


def test_few_held_out_rows_tell_the_confidence_alone():
    held_out = draw(np.random.default_rng(0), 49, unknown=0.2)
    baseline = Baseline.of(profile([[4, 5]]), WORDS, held_out)
    assert (baseline.symbols, baseline.unknown, baseline.confidence) == (2, 0, held_out.confidence)
    assert Baseline.of(profile([[4, 5]]), WORDS, DayProfile(confidence={3: 9})).confidence == {3: 9}


@pytest.mark.parametrize(
    "broken",
    [{}, {"source": []}, {"source": {"lengths": {"a": 1}}}, {"source": {"lengths": {"1": 1}, "id_counts": [1]}}],
)
def test_a_profile_of_other_sources_is_refused(broken):
    with pytest.raises(DataError, match="the profile of the training data"):
        Baseline.of(broken, WORDS)


# The comparison.


@pytest.mark.seconds
@pytest.mark.parametrize(
    ("n_baseline", "limit"),
    [(100, 25), (200, 10), (300, 10), *(pytest.param(n, 10, marks=pytest.mark.slow) for n in (1000, 5000))],
)
def test_a_day_of_200_rows_like_those_of_training_is_stable_on_99_of_100_days(n_baseline, limit):
    """On 1,000 days; where training had 100 rows, the chance of a moderate one is 1 %, which is not its limit here."""
    rng = np.random.default_rng(1)
    natural = {"unknown": 0.02, "outside": 0.005, "rejects": 0.01}
    found = [compare(as_baseline(draw(rng, n_baseline, **natural)), draw(rng, 200, **natural)) for _ in range(1000)]
    for measure in zip(*found, strict=True):
        assert sum(one.verdict != "stable" for one in measure) <= limit, measure[0].name
        assert sum(one.verdict == "shifted" for one in measure) <= 3, measure[0].name


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("source_length", {"longer": 2}),
        ("unknown_symbols", {"unknown": 0.1}),
        ("outside_range", {"outside": 0.1}),
        ("confidence", {"nats": 3e-2}),
        ("rejects", {"rejects": 0.06}),
    ],
)
@pytest.mark.parametrize(("n_baseline", "n_day"), [(1000, 200), (20_000, 5000)])
def test_a_real_shift_is_found_and_no_other(name, change, n_baseline, n_day):
    rng = np.random.default_rng(0)
    found = compare(as_baseline(draw(rng, n_baseline)), draw(rng, n_day, **change))
    assert [one.name for one in found if one.verdict != "stable"] == [name]
    assert next(one for one in found if one.name == name).psi >= 0.25


@pytest.mark.parametrize("name", ["unknown_symbols", "outside_range", "rejects"])
def test_one_of_ten_thousand_where_there_was_none_is_no_shift(name):
    rng = np.random.default_rng(0)
    one = {"unknown": 1, "symbols": 10_000, "outside": 1, "checked": 10_000, "rejected": 1, "read": 10_000}
    found = shift(name, draw(rng, 10_000), draw(rng, 10_000).model_copy(update=one))
    assert (found.verdict, found.now_value) == ("stable", 1e-4)
    assert found.psi < 0.01


def test_5_percent_rejects_are_found_where_1000_rows_of_training_had_none():
    before, now = (lengths_alone(6).with_rows(*rows) for rows in ((1000, 0), (200, 10)))
    assert shift("rejects", before, now).verdict == "shifted"


def test_lengths_that_training_never_had_are_found_where_all_were_alike():
    for length in (5, 12):
        found = shift("source_length", lengths_alone(*[6] * 200), lengths_alone(*[6] * 150, *[length] * 50))
        assert found.verdict == "shifted"


def test_lengths_beyond_all_of_training_are_told_from_its_longest():
    """Half of the rows are as long as half of them were before, but six time steps longer than any."""
    found = shift("source_length", lengths_alone(*[5, 6] * 500), lengths_alone(*[5, 12] * 500))
    assert found.verdict == "shifted"
    assert (found.before, found.now) == ("mean 5.5", "mean 8.5")


def test_bins_hold_equal_shares_and_end_in_two_that_only_the_day_can_fill():
    assert drift._bin_ends(dict.fromkeys(range(1, 101), 100), 10**6) == [0, *range(10, 100, 10), 100]
    # 5 % in the last one are enough for a bin, 4 % are not.
    assert drift._bin_ends({1: 950, 2: 50}, 10**6) == [0, 1, 2]
    assert drift._bin_ends({1: 960, 2: 40}, 10**6) == [0, 2]


def test_few_rows_make_few_bins():
    counts = dict.fromkeys(range(1, 101), 100)
    assert drift._bin_ends(counts, 120) == [0, 34, 68, 100]
    assert drift._bin_ends(dict.fromkeys(range(1, 101), 1), 10**6) == [50]
    assert drift._bin_ends({4: 30, 5: 30}, 60) == [4]


def test_measures_that_one_side_does_not_know_are_left_out():
    known = draw(np.random.default_rng(0), 100)
    names = ["source_length", "unknown_symbols", "outside_range", "confidence", "rejects"]
    assert [one.name for one in compare(as_baseline(known), known)] == names
    assert [one.name for one in compare(Baseline.of(profile([[4]] * 100), WORDS), known)] == names[:2]
    assert [one.name for one in compare(as_baseline(known), DayProfile().with_rows(60, 60))] == ["rejects"]
    assert compare(as_baseline(known), DayProfile()) == []


def test_the_verdict_follows_the_threshold():
    before, now = (lengths_alone(6).with_rows(1000, rejected) for rejected in (100, 250))
    psi = shift("rejects", before, now).psi
    assert 0.1 < psi < 0.25
    verdicts = {at: shift("rejects", before, now, threshold=at).verdict for at in (0.05, psi, 0.25)}
    assert verdicts == {0.05: "shifted", psi: "shifted", 0.25: "moderate"}
    assert shift("rejects", before, before, threshold=0.05).verdict == "stable"


@pytest.mark.parametrize(("n_before", "n_now", "verdict"), [(50, 50, "shifted"), (49, 50, None), (50, 49, None)])
def test_of_too_few_rows_no_verdict_is_given(n_before, n_now, verdict):
    found = shift("source_length", lengths_alone(*[6] * n_before), lengths_alone(*[12] * n_now))
    assert found.verdict == (verdict or "too few rows")
    assert found.psi > 0.25


def test_rejects_are_judged_by_the_rows_that_were_read():
    found = compare(as_baseline(lengths_alone(6).with_rows(1000, 0)), DayProfile().with_rows(60, 60))
    assert [(one.name, one.verdict) for one in found] == [("rejects", "shifted")]


def test_a_person_reads_what_was_and_what_is():
    before = DayProfile(lengths={6: 100}, steps=600, symbols=600, checked=100, confidence={16: 60, 20: 40}).with_rows(
        100, 0
    )
    now = DayProfile(
        lengths={9: 40, 10: 60}, steps=960, symbols=960, unknown=120, checked=100, outside=3, confidence={24: 100}
    ).with_rows(103, 3)
    said = {one.name: (one.before, one.now) for one in compare(as_baseline(before), now)}
    assert said == {
        "source_length": ("mean 6", "mean 9.6"),
        "unknown_symbols": ("0 %", "12 %"),
        "outside_range": ("0 % of rows", "3.0 % of rows"),
        "confidence": ("median 99.925 % a token", "median 92.8 % a token"),
        "rejects": ("0 % of rows", "2.9 % of rows"),
    }


def test_json_takes_a_shift():
    found = shift("source_length", lengths_alone(*[6] * 100), lengths_alone(*[12] * 100))._asdict()
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert (found["before_value"], found["now_value"]) == (6.0, 12.0)


@pytest.mark.parametrize(
    ("value", "words"),
    [(0.0, "0 %"), (1.0, "100 %"), (0.5, "50 %"), (0.12, "12 %"), (0.0005, "0.050 %"), (0.9997, "99.970 %")],
)
def test_a_share_is_written_to_two_digits_of_what_matters(value, words):
    assert percent(value) == words
