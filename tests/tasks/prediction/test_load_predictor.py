"""A model in a notebook or a service: the predictions of a batch run, for plain values, numpy and Arrow."""

import inspect
import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.predict import load_predictor
from tasks.seq2seq.errors import ArtifactError, DataError, SettingsError
from tasks.seq2seq.settings.decoding import DecodingSettings
from tests.helpers.batch_models import HISTORY, LONGEST, batch_models, integer_pairs, spelled, wave
from tests.helpers.batch_runs import predict, rows_of


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    models = batch_models(tmp_path_factory)
    models.need("integers", "sounds", "letters", "wave", "rising", "tiny")
    return models


@pytest.fixture(scope="module")
def predictor(models):
    return load_predictor("integers", models.store)


SOURCES = integer_pairs(120, seed=9)[0]


def test_predictions_and_their_scores_are_those_of_a_batch_run(predictor, models, tmp_path):
    pq.write_table(pa.table({"source": SOURCES}), tmp_path / "a.parquet")
    predict(models.store, tmp_path / "a.parquet", output=tmp_path / "out", model="integers")
    expected = rows_of(tmp_path / "out" / "a.parquet.parquet")
    assert predictor.predict(SOURCES) == [row["prediction"] for row in expected]
    table = predictor.predict_table(SOURCES)
    assert table["log_probability"].to_pylist() == [row["log_probability"] for row in expected]
    assert table["n_unknown"].to_pylist() == [row["n_unknown"] for row in expected]
    assert table.column_names == ["prediction", "log_probability", "n_unknown"]


def test_a_sequence_is_predicted_alone_as_among_others(predictor):
    together = predictor.predict_table(SOURCES).to_pylist()
    for i in (0, 50, 119):
        (alone,) = predictor.predict_table([SOURCES[i]]).to_pylist()
        assert alone["prediction"] == together[i]["prediction"]
        assert alone["log_probability"] == together[i]["log_probability"]


def test_what_comes_in_goes_out_plain_numpy_or_arrow(predictor):
    same_length = [source for source in SOURCES if len(source) == 3]
    expected = predictor.predict(same_length)
    assert predictor.predict(tuple(same_length)) == expected
    assert predictor.predict(np.array(same_length)) == expected
    assert predictor.predict([np.array(source) for source in same_length]) == expected
    for given in (pa.array(same_length), pa.chunked_array([same_length[:3], same_length[3:]])):
        made = predictor.predict(given)
        assert isinstance(made, pa.Array | pa.ChunkedArray)
        assert made.to_pylist() == expected
    assert all(type(value) is int for row in expected for value in row)


def test_no_sequence_gives_no_prediction(predictor):
    assert predictor.predict([]) == []
    assert len(predictor.predict(pa.array([], pa.list_(pa.int64())))) == 0
    assert len(predictor.predict_table([])) == 0


def test_a_column_of_a_table_is_predicted_as_it_is(predictor):
    table = pa.table({"source": SOURCES})
    assert predictor.predict(table["source"].slice(5, 9)).to_pylist() == predictor.predict(SOURCES[5:14])


@pytest.mark.parametrize(
    ("bad", "reason"),
    [(None, "null"), ([1, None], "null_inside"), ([], "empty"), ([1] * (LONGEST + 1), "too_long")],
)
def test_an_error_names_the_sequences_that_cannot_be_predicted(bad, reason, predictor):
    with pytest.raises(DataError) as error:
        predictor.predict([[1, 2], bad, [3], bad])
    for part in ("2 of 4 sequences", f"1 ({reason})", f"3 ({reason})", "integers"):
        assert part in str(error.value)


@pytest.mark.parametrize("bad", [["abc"], 5, np.array(5), None, "12", [{"a": 1}], [{1: 2}]])
def test_values_of_another_kind_are_refused_with_what_was_expected(bad, predictor):
    with pytest.raises(DataError) as error:
        predictor.predict(bad)
    assert "integers" in str(error.value)


@pytest.mark.parametrize("bad", [["a", "b"], [1.5, 2]])
def test_a_sequence_of_other_values_is_named(bad, predictor):
    with pytest.raises(DataError) as error:
        predictor.predict([[1, 2], bad])
    assert "1 (type)" in str(error.value)
    assert "integers" in str(error.value)


def test_lists_of_lists_are_refused_where_integers_are_expected_and_the_predictor_goes_on(models):
    predictor = load_predictor("integers", models.store)
    with pytest.raises(DataError):
        predictor.predict([[[1, 2]]])
    assert len(predictor.predict([[1, 2]])) == 1


def test_eight_threads_at_once_get_what_one_gets(predictor):
    expected = predictor.predict_table(SOURCES)
    parts = [SOURCES[i:] + SOURCES[:i] for i in range(0, 64, 4)]
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(predictor.predict_table, parts))
    for i, table in zip(range(0, 64, 4), made, strict=True):
        for one, other in zip(table.to_pylist(), [*expected.to_pylist()[i:], *expected.to_pylist()[:i]], strict=True):
            assert one["prediction"] == other["prediction"]
            assert one["log_probability"] == other["log_probability"]


def test_a_process_that_predicts_loads_neither_tensorflow_nor_prefect_and_gives_the_same(models, predictor, run_python):
    found = run_python(
        """
        import json, sys
        from tasks.predict import load_predictor

        predictor = load_predictor("integers", sys.argv[1])
        print(json.dumps(predictor.predict_table(json.loads(sys.argv[2])).to_pylist()))
        print(sorted({"tensorflow", "keras", "prefect", "matplotlib", "jinja2"} & set(sys.modules)))
        """,
        models.store,
        json.dumps(SOURCES[:20]),
    )
    predictions, loaded = found.splitlines()
    assert json.loads(predictions) == predictor.predict_table(SOURCES[:20]).to_pylist()
    assert loaded == "[]"


def test_threads_may_make_the_first_prediction_at_once(models):
    predictor = load_predictor("integers", models.store)
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(predictor.predict, [SOURCES] * 8))
    assert all(one == made[0] for one in made)


def test_a_model_is_named_by_name_digest_or_folder(models, predictor):
    bundle = models.bundles["integers"]
    expected = predictor.predict(SOURCES[:5])
    for name in (bundle.digest, bundle.digest[:8], str(bundle.path)):
        assert load_predictor(name, models.store).predict(SOURCES[:5]) == expected
    assert load_predictor("integers", str(models.store)).predict(SOURCES[:5]) == expected


@pytest.mark.parametrize("name", ["nobody", "abcdef", "a/b/c", "abc"])
def test_a_model_that_is_not_there_is_refused(name, models):
    with pytest.raises((SettingsError, ArtifactError)) as error:
        load_predictor(name, models.store)
    assert name in str(error.value)


def test_which_of_several_promoted_models_must_be_said(models, tmp_path):
    with pytest.raises(SettingsError) as error:
        load_predictor(store=models.store)
    assert "integers" in str(error.value)
    assert "--model" in str(error.value)
    with pytest.raises(SettingsError, match="no model is promoted"):
        load_predictor(store=tmp_path / "empty")
    assert not (tmp_path / "empty").exists()


def test_decoding_may_be_said(models):
    greedy = load_predictor("integers", models.store, DecodingSettings(max_length=2)).predict(SOURCES)
    assert max(map(len, greedy)) <= 2
    best = load_predictor("integers", models.store, DecodingSettings(method="beam", beam_width=3, n_best=3))
    table = best.predict_table(SOURCES[:6])
    assert [len(row) for row in table["n_best"].to_pylist()] == [3] * 6
    assert best.predict(SOURCES[:6]) == [row[0]["prediction"] for row in table["n_best"].to_pylist()]
    with pytest.raises(SettingsError, match="n_best"):
        load_predictor("integers", models.store, DecodingSettings(n_best=3))


def test_text_comes_as_strings_and_goes_as_lists_of_words(models):
    words, _ = spelled(30, seed=7)
    predictor = load_predictor("sounds", models.store)
    made = predictor.predict(words)
    assert len(made) == 30
    assert all(isinstance(word, str) for row in made for word in row)
    assert predictor.predict(np.array(words)) == made
    assert predictor.predict(pa.array(words)).to_pylist() == made
    with pytest.raises(DataError, match="expected a list of strings"):
        predictor.predict([[1, 2]])


def test_one_string_is_not_taken_for_many(models):
    with pytest.raises(DataError):
        load_predictor("sounds", models.store).predict("bok")


def test_lists_of_words_give_text_and_unknown_words_are_refused_where_training_rejects_them(models):
    predictor = load_predictor("letters", models.store)
    made = predictor.predict([["B", "OW1"], ["K"]])
    assert all(isinstance(text, str) for text in made)
    assert predictor.predict(["B OW1", "K"]) == made


def test_a_synthetic_models_sources_have_its_length_and_its_symbols(models):
    predictor = load_predictor("tiny", models.store)
    assert predictor.predict([[1, 2, 3, 4]]) == [[2, 1]] or len(predictor.predict([[1, 2, 3, 4]])[0]) == 2
    for bad, reason in (([1, 2, 3], "length"), ([1, 2, 3, 7], "unknown"), ([0, 1, 2, 3], "unknown")):
        with pytest.raises(DataError, match=rf"0 \({reason}\)"):
            predictor.predict([bad])


@pytest.mark.parametrize("name", ["wave", "rising"])
def test_a_series_is_forecast_from_its_last_steps_as_in_a_batch_run(name, models, tmp_path):
    values = wave(20, start=700)
    (tmp_path / "a.csv").write_text("level\n" + "".join(f"{value}\n" for value in values))
    predict(models.store, tmp_path / "a.csv", output=tmp_path / "out", model=name)
    (row,) = rows_of(tmp_path / "out" / "a.csv.parquet")
    (made,) = load_predictor(name, models.store).predict([values[-HISTORY:].tolist()])
    assert np.ravel(made) == pytest.approx(np.ravel(row["prediction"]), rel=1e-6)


@pytest.mark.parametrize("n", [HISTORY - 3, HISTORY + 3])
def test_a_history_of_another_length_than_in_training_is_refused(n, models):
    with pytest.raises(DataError, match=r"0 \(length\)"):
        load_predictor("wave", models.store).predict([wave(n).tolist()])


def test_one_line_is_enough(models):
    signature = inspect.signature(load_predictor)
    assert [*signature.parameters] == ["model", "store", "decoding"]
    assert len(load_predictor("integers", models.store).predict([[1, 2, 3]])) == 1
