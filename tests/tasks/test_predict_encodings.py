"""Text and series in batch prediction, called without a server: each in its own encoding and units."""

import csv
import json
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.prediction.batch_model import find_model
from tasks.prediction.loaded_model import Serving, load_serving
from tasks.storage.artifacts.keras_models import load_keras_models
from tasks.storage.store.artifact_store import Store
from tests.helpers.batch_models import HISTORY, HORIZON, SOUNDS, batch_models, spelled, wave
from tests.helpers.batch_runs import account_of, check_account, column, predict, report, rows_of, settings_of
from tests.helpers.codecs import as_scaling


@pytest.fixture
def store(tmp_path_factory):
    return batch_models(tmp_path_factory).need("sounds", "letters", "wave", "rising")


# Text


def test_a_tsv_without_a_header_is_read_as_in_training_and_words_are_lists_of_text(store, tmp_path):
    words, sounds = spelled(60, seed=3)
    lines = [(word, " ".join(sound)) for word, sound in zip(words, sounds, strict=True)]
    lines[5], lines[9] = ("boxk", "B"), ("", "B")
    (tmp_path / "a.tsv").write_text("".join(f"{a}\t{b}\n" for a, b in lines), encoding="utf-8")
    predict(store, tmp_path / "a.tsv", output=tmp_path / "out", model="sounds", chunk_rows=16)
    expected: list[Any] = [{"0": a, "1": b} for a, b in lines]
    expected[9] = "source_empty"
    made = check_account(tmp_path / "out", "a.tsv", expected)
    assert {word for row in made for word in row["prediction"]} <= set(SOUNDS.values())
    assert [row["n_unknown"] for row in made] == [int(i == 5) for i in range(59)]
    kind = pq.read_schema(tmp_path / "out" / "a.tsv.parquet").field("prediction").type
    assert str(kind.value_type) == "string"


def test_composed_and_decomposed_letters_are_the_same(store, tmp_path):
    (tmp_path / "a.tsv").write_text(
        "b\N{LATIN SMALL LETTER E WITH ACUTE}\nbe\N{COMBINING ACUTE ACCENT}\n", encoding="utf-8"
    )
    predict(store, tmp_path / "a.tsv", output=tmp_path / "out", model="sounds")
    one, other = rows_of(tmp_path / "out" / "a.tsv.parquet")
    assert one["prediction"] == other["prediction"]
    assert one["n_unknown"] == other["n_unknown"] == 0
    assert one["0"] != other["0"]  # what the user wrote stays


def test_characters_are_predicted_as_text_and_unknown_words_are_rejected_as_in_training(store, tmp_path):
    (tmp_path / "a.jsonl").write_text(
        '{"sounds": "B OW1 K", "word": "bok"}\n{"sounds": ["B", "XX"], "word": "b"}\n{"word": "b"}\n{"sounds": ["K"]}\n'
    )
    predict(store, tmp_path / "a.jsonl", output=tmp_path / "out", model="letters")
    rejects = rows_of(tmp_path / "out" / "a.jsonl.rejects.parquet")
    assert sum(account_of(tmp_path / "out", "a.jsonl")[name] for name in ("predicted", "rejected")) == 4
    assert {(reject["row"], reject["reason"]) for reject in rejects} >= {(2, "source_unknown"), (3, "source_null")}
    made = rows_of(tmp_path / "out" / "a.jsonl.parquet")
    assert all(isinstance(row["prediction"], str) for row in made)


def test_columns_may_be_called_otherwise_than_in_training(store, tmp_path):
    (tmp_path / "a.csv").write_text("id;say;write\n1;B OW1 K;bok\n2;K;k\n")
    asked = {"model": "letters", "source": "say", "target": "write", "delimiter": ";"}
    jobs = predict(store, tmp_path / "a.csv", output=tmp_path / "out", **asked)
    made = check_account(
        tmp_path / "out",
        "a.csv",
        [{"id": "1", "say": "B OW1 K", "write": "bok"}, {"id": "2", "say": "K", "write": "k"}],
    )
    assert [row["correct"] for row in made] == [row["prediction"] == row["write"] for row in made]
    assert report(store, jobs, tmp_path / "a.csv", output=tmp_path / "out", **asked)["scored"]["n_evaluated"] == 2


def test_words_stand_with_spaces_between_in_a_csv_output(store, tmp_path):
    words, _ = spelled(30, seed=4)
    (tmp_path / "a.tsv").write_text("\n".join(words), encoding="utf-8")
    predict(store, tmp_path / "a.tsv", output=tmp_path / "out", model="sounds")
    expected = column(tmp_path / "out" / "a.tsv.parquet", "prediction")
    predict(store, tmp_path / "a.tsv", output=tmp_path / "csv", model="sounds", format="csv")
    with (tmp_path / "csv" / "a.tsv.csv").open(encoding="utf-8", newline="") as file:
        made = list(csv.DictReader(file))
    assert [row["prediction"] for row in made] == [" ".join(row) for row in expected]
    assert [row["0"] for row in made] == words


# Series


def write_series(path, values):
    path.write_text("day,level\n" + "".join(f"{i},{value}\n" for i, value in enumerate(values)))
    return path


def forecast_of(store, name, history):
    """A forecast by the bundle's Keras models, a step at a time."""
    found = find_model(settings_of("x.csv", output="out", model=name), Store(store))
    model = load_serving(Serving(store=store, bundle=found.bundle, decoding=found.decoding))
    codecs, (encoder, decoder) = model.codecs, load_keras_models(found.bundle, Store(store))
    last = history[-1] if name == "rising" else 0.0
    source = as_scaling(codecs.source).standardise(np.array(history)[:, None] - last)
    if encoder.inputs[0].shape[-1] == 2:  # beside the values, whether they are there
        source = np.concatenate([source, np.ones_like(source)], axis=1)
    state = encoder(source[None].astype(np.float32))
    step, made = np.zeros((1, 1, 1), np.float32), []
    for _ in range(HORIZON):
        step, *state = map(np.array, decoder([step, *map(np.array, state)]))
        made.append(step[0, 0])
    return (as_scaling(codecs.target).restore(np.array(made)) + last).tolist()


def flat(vectors):
    return [step[0] if isinstance(step, list) else step for step in vectors]


@pytest.mark.parametrize("name", ["wave", "rising"])
def test_a_series_gets_one_forecast_from_its_last_origin_in_its_own_units(name, store, tmp_path):
    values = wave(40, start=500)
    write_series(tmp_path / "a.csv", values)
    predict(store, tmp_path / "a.csv", output=tmp_path / "out", model=name)
    (row,) = rows_of(tmp_path / "out" / "a.csv.parquet")
    assert (row["day"], row["level"], row["origin_row"]) == ("39", str(values[-1]), 40)
    assert flat(row["prediction"]) == pytest.approx(flat(forecast_of(store, name, values[-HISTORY:])), rel=1e-5)
    account = account_of(tmp_path / "out", "a.csv")
    assert (account["read"], account["predicted"], account["history_only"], account["rejected"]) == (40, 1, 39, 0)
    assert not {"log_probability", "n_unknown", "correct"} & set(row)


@pytest.mark.parametrize("name", ["wave", "rising"])
def test_all_origins_are_forecast_from_and_those_whose_horizon_is_there_are_scored(name, store, tmp_path):
    values = wave(40, start=500)
    write_series(tmp_path / "a.csv", values)
    asked = {"model": name, "origins": "all", "chunk_rows": 7}
    jobs = predict(store, tmp_path / "a.csv", output=tmp_path / "out", **asked)
    made = rows_of(tmp_path / "out" / "a.csv.parquet")
    assert [row["origin_row"] for row in made] == [*range(HISTORY, 41)]
    assert [row["day"] for row in made] == [str(i) for i in range(HISTORY - 1, 40)]
    for row in made[::9]:
        origin = row["origin_row"]
        expected = forecast_of(store, name, values[origin - HISTORY : origin])
        assert flat(row["prediction"]) == pytest.approx(flat(expected), rel=1e-5)
    account = account_of(tmp_path / "out", "a.csv")
    assert account["read"] == 40 == account["predicted"] + account["history_only"]
    scored = report(store, jobs, tmp_path / "a.csv", output=tmp_path / "out", **asked)["scored"]
    there = [row for row in made if row["origin_row"] + HORIZON <= 40]
    errors = [
        np.array(flat(row["prediction"])) - values[row["origin_row"] : row["origin_row"] + HORIZON] for row in there
    ]
    assert scored["n_evaluated"] == len(there)
    assert scored["mae"] == pytest.approx(np.abs(errors).mean(), rel=1e-5)
    assert scored["rmse"] == pytest.approx(np.sqrt(np.square(errors).mean()), rel=1e-5)


def test_the_last_origin_is_the_same_as_among_all(store, tmp_path):
    write_series(tmp_path / "a.csv", wave(30))
    for origins in ("all", "last"):
        predict(store, tmp_path / "a.csv", output=tmp_path / origins, model="rising", origins=origins)
    last, every = (column(tmp_path / name / "a.csv.parquet", "prediction") for name in ("last", "all"))
    assert flat(every[-1]) == pytest.approx(flat(last[0]))


def test_a_row_that_cannot_be_used_is_rejected_and_no_window_touches_it(store, tmp_path):
    values = [*map(str, wave(30))]
    values[14] = "broken"
    write_series(tmp_path / "a.csv", values)
    predict(store, tmp_path / "a.csv", output=tmp_path / "all", model="wave", origins="all")
    assert column(tmp_path / "all" / "a.csv.parquet", "origin_row") == [*range(HISTORY, 15), *range(15 + HISTORY, 31)]
    rejects = rows_of(tmp_path / "all" / "a.csv.rejects.parquet")
    assert [(reject["row"], reject["reason"]) for reject in rejects] == [(15, "source_type")]
    assert json.loads(rejects[0]["content"])["level"] == "broken"
    account = account_of(tmp_path / "all", "a.csv")
    assert account["read"] == 30 == account["predicted"] + account["history_only"] + account["rejected"]


def test_a_gap_at_the_end_moves_the_last_origin_to_before_it(store, tmp_path):
    values = [*map(str, wave(30))]
    values[27] = ""
    write_series(tmp_path / "a.csv", values)
    predict(store, tmp_path / "a.csv", output=tmp_path / "out", model="wave")
    assert column(tmp_path / "out" / "a.csv.parquet", "origin_row") == [27]


def test_a_series_shorter_than_its_history_gives_no_forecast_and_its_account_says_so(store, tmp_path):
    write_series(tmp_path / "a.csv", wave(HISTORY - 1))
    write_series(tmp_path / "b.csv", wave(HISTORY))
    predict(store, tmp_path / "*.csv", output=tmp_path / "out", model="rising")
    account = account_of(tmp_path / "out", "a.csv")
    assert (account["read"], account["predicted"], account["history_only"]) == (HISTORY - 1, 0, HISTORY - 1)
    names = pq.read_schema(tmp_path / "out" / "a.csv.parquet").names
    assert names == pq.read_schema(tmp_path / "out" / "b.csv.parquet").names
    assert len(rows_of(tmp_path / "out" / "b.csv.parquet")) == 1


def test_values_far_outside_the_training_range_are_flagged_and_counted(store, tmp_path):
    write_series(tmp_path / "a.csv", [*wave(HISTORY), 1e6])
    predict(store, tmp_path / "a.csv", output=tmp_path / "out", model="wave", origins="all")
    assert column(tmp_path / "out" / "a.csv.parquet", "outside_range") == [False, True]
    assert account_of(tmp_path / "out", "a.csv")["tally"]["rows_outside_range"] == 1


@pytest.mark.parametrize("kind", ["parquet", "jsonl", "npz"])
def test_a_series_is_read_from_files_of_other_formats_alike(kind, store, tmp_path):
    values = wave(30)
    write_series(tmp_path / "a.csv", values)
    if kind == "parquet":
        pq.write_table(pa.table({"level": values}), tmp_path / "b.parquet")
    elif kind == "jsonl":
        (tmp_path / "b.jsonl").write_text("".join(json.dumps({"level": float(value)}) + "\n" for value in values))
    else:
        np.savez(tmp_path / "b.npz", level=values)
    predict(store, tmp_path / "a.csv", tmp_path / f"b.{kind}", output=tmp_path / "out", model="rising", origins="all")
    expected = column(tmp_path / "out" / "a.csv.parquet", "prediction")
    made = column(tmp_path / "out" / f"b.{kind}.parquet", "prediction")
    assert [flat(row) for row in made] == [pytest.approx(flat(row)) for row in expected]


def test_vectors_stand_as_json_in_a_csv_output(store, tmp_path):
    write_series(tmp_path / "a.csv", wave(20))
    predict(store, tmp_path / "a.csv", output=tmp_path / "out", model="wave")
    predict(store, tmp_path / "a.csv", output=tmp_path / "csv", model="wave", format="csv")
    expected = column(tmp_path / "out" / "a.csv.parquet", "prediction")
    assert [json.loads(value) for value in column(tmp_path / "csv" / "a.csv.csv", "prediction")] == expected


def test_chunks_of_a_series_change_no_forecast(store, tmp_path):
    write_series(tmp_path / "a.csv", wave(60))
    for rows in (1, 7, 1000):
        predict(store, tmp_path / "a.csv", output=tmp_path / str(rows), model="rising", origins="all", chunk_rows=rows)
    made = [
        np.array([flat(row) for row in column(tmp_path / str(n) / "a.csv.parquet", "prediction")]) for n in (1, 7, 1000)
    ]
    assert np.abs(made[0] - made[2]).max() < 1e-4
    assert np.abs(made[1] - made[2]).max() < 1e-4
