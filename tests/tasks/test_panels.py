"""All steps on a panel: many series by their ids, with gaps, what is known ahead and the calendar."""

import datetime as dt
import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import csv as pc

from flows import import_bundle
from tasks.compare import write_scores
from tasks.evaluate import evaluate_model
from tasks.export_onnx import export_onnx
from tasks.export_saved_model import export_saved_model
from tasks.predict import load_predictor
from tasks.seq2seq.data.backtest import Backtest
from tasks.seq2seq.errors import DataError
from tasks.seq2seq.settings.rules import check_experiment
from tasks.storage.artifacts.holdout import fixed_holdout
from tasks.storage.files.json_files import load_json
from tasks.storage.store.artifact_store import Store
from tasks.storage.store.promotions import promote
from tests.helpers.batch_runs import account_of, predict, rows_of, write_report
from tests.helpers.fresh_processes import in_a_fresh_process, predict_panel
from tests.helpers.model_bundles import record
from tests.tasks.test_own_data import Made

pytestmark = pytest.mark.seconds

DAYS, HORIZON = 240, 7
FIRST = dt.date(2023, 1, 2)


def sales(store, day, price):
    """A level of the store's own, a week, and less where the price is high."""
    level = 20.0 * 4**store
    return level * (1 + 0.4 * np.sin(2 * np.pi * day / 7) - 0.3 * (price - 1))


def panel_rows(stores, days, rng, known_ahead=0):
    """Rows of the stores, shuffled; some are missing, and those ahead have a price and no sales."""
    rows = []
    for store in stores:
        for day in range(days + known_ahead):
            price = float(rng.choice([1.0, 2.0]))
            value = "" if day >= days else f"{sales(store, day, price):.6f}"
            if day in (50, 51, 90) and store % 2:
                continue
            rows.append(f"s{store},{FIRST + dt.timedelta(day)},{value},{price}")
    return [rows[i] for i in rng.permutation(len(rows))]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder, rng = tmp_path_factory.mktemp("panel"), np.random.default_rng(0)
    (folder / "shop.csv").write_text("\n".join(["store,day,sales,price", *panel_rows(range(4), DAYS, rng)]) + "\n")
    data = {
        "train": folder / "shop.csv", "source": "sales", "source_encoding": "vectors", "target_encoding": "vectors",
        "history": 14, "horizon": HORIZON, "time": "day", "series": "store", "scale": "series", "known": "price",
        "calendar": ["weekday"], "gaps": "fill", "fill": "linear",
    }  # fmt: skip
    training = {"epochs": 10, "batch_size": 32, "learning_rate": 0.02}
    model = {
        "units": 16, "attention": "luong_dot", "bidirectional": True, "encoder_units": 8, "series_embedding": 3,
    }  # fmt: skip
    found = Made(folder / "store", data=data, model=model, training=training)
    promote(Store(found.store), found.experiment.promotion_name, found.bundle.digest, "for the test")
    return found


def test_a_panel_is_learned_with_its_week_and_its_prices(made):
    assert made.scores["mae"] < 0.35 * made.scores["baseline_mae"]["last_value"]
    assert made.scores["baseline"] == "seasonal"
    assert made.scores["relative_mae"] < 0.9
    assert made.account["season"] == 7
    assert made.account["n_series"] == 4
    assert made.account["time"]["step"] == "1d"


def test_forecasts_of_the_evaluation_name_their_series_and_are_in_its_units(made):
    levels = {f"s{store}": 20.0 * 4**store for store in range(4)}
    by_store = made.predictions.to_pylist()
    assert made.predictions.column_names[:4] == ["file", "row", "store", "origin_time"]
    assert {row["store"] for row in by_store} == set(levels)
    for row in by_store:
        assert 0.3 * levels[row["store"]] < np.mean(row["prediction"]) < 1.7 * levels[row["store"]]


def test_the_scores_of_each_series_and_origin_add_up_to_those_of_all(made):
    by_series, by_origin = (pq.read_table(made.evaluation.path / f"by_{name}.parquet") for name in ("series", "origin"))
    assert sorted(by_series["series_store"].to_pylist()) == ["s0", "s1", "s2", "s3"]
    for table in (by_series, by_origin):
        windows = np.array(table["windows"])
        assert windows.sum() == made.scores["n_evaluated"]
        assert windows @ np.array(table["mae"]) / windows.sum() == pytest.approx(made.scores["mae"])
        errors = windows @ np.array(table["baseline_mae"]) / windows.sum()
        assert errors == pytest.approx(made.scores["baseline_mae"]["seasonal"])
    assert by_origin["last_time"][0].as_py() == FIRST + dt.timedelta(DAYS - 1 - HORIZON)
    ratios = dict(zip(by_series["series_store"].to_pylist(), by_series["relative_mae"].to_pylist(), strict=True))
    worst = max(ratios, key=lambda store: ratios[store])
    assert made.page.index("The worst of 4 series") < made.page.index(f">{worst}<")


def test_the_best_the_median_and_the_worst_series_are_shown_with_their_history(made):
    content = load_json(made.evaluation.path / "evaluation.json")
    forecasts = content["forecasts"]
    assert [one["which"].split(" series, ")[0] for one in forecasts] == ["The best", "The median", "The worst"]
    assert forecasts[-1]["which"].endswith(content["backtest"]["worst_series"][0]["name"])
    by_origin = {(row["store"], str(row["origin_time"])): row for row in made.predictions.to_pylist()}
    for one in forecasts:
        store, (origin, *ahead) = one["which"].split()[-1], one["times"][-1 - HORIZON :]
        assert origin == str(FIRST + dt.timedelta(DAYS - 1 - HORIZON))
        assert len(ahead) == HORIZON == len(one["predicted"])
        row = by_origin[store, origin]
        assert (one["predicted"], one["expected"]) == (row["prediction"], row["target"])
        assert len(one["history"]) == len(one["times"]) - HORIZON == 14
        level = 20.0 * 4 ** int(store[1])
        assert all(0.2 * level < step[0] < 1.8 * level for step in one["history"] if step)
    assert "The worst series, s" in made.page


def test_origins_that_are_chosen_are_scored_without_another_training(made):
    evaluation = {"backtest_origins": 2, "backtest_stride": 3}
    chosen = check_experiment({**made.experiment.model_dump(), "evaluation": evaluation})
    found = evaluate_model.fn(chosen, made.dataset, made.bundle, made.store)
    table = pq.read_table(found.path / "by_origin.parquet")
    assert table["steps_before_last"].to_pylist() == [0, 3]
    assert found.facts["scores"]["n_evaluated"] == sum(table["windows"].to_pylist()) <= 8
    before = {(row["row"], row["file"]): row["prediction"] for row in made.predictions.to_pylist()}
    for row in pq.read_table(found.path / "predictions.parquet").to_pylist():
        np.testing.assert_allclose(row["prediction"], before[row["row"], row["file"]], rtol=1e-5)


def test_models_are_compared_at_the_origins_that_are_chosen(made, tmp_path):
    store = Store(made.store)
    holdout = fixed_holdout(store, made.experiment.promotion_name)
    assert holdout is not None
    rows = {
        origins: write_scores(made.experiment, made.bundle, holdout, Backtest(origins), store, tmp_path).facts["rows"]
        for origins in (None, 1)
    }
    assert rows == {None: made.scores["n_evaluated"], 1: 4}


@pytest.mark.parametrize("export", [export_onnx, export_saved_model])
def test_exports_that_are_given_what_is_known_ahead_answer_as_the_model(made, export):
    """They are verified on held-out windows before they are published."""
    handle = export.fn(made.experiment, made.dataset, made.bundle, made.store)
    assert handle.figures["verified"] > 50


@pytest.mark.parametrize("name", ["series.json", "series.parquet"])
def test_a_bundle_without_what_its_model_knows_of_series_is_not_brought_in(made, tmp_path, capfd, name):
    folder = shutil.copytree(made.bundle.path, tmp_path / "bundle")
    Store(tmp_path / "store").prepare()
    assert import_bundle.main([str(folder), "--store", str(tmp_path / "store")]) == 0
    (folder / name).unlink()
    record(folder)
    assert import_bundle.main([str(folder), "--store", str(tmp_path / "store")]) == 2
    said = capfd.readouterr().err.splitlines()[-1]
    assert said.startswith(f"refused: {folder} has no {name}")


@pytest.fixture(scope="module")
def forecast(made):
    """The rows of an output that another process made, by store; s7 is new, and s9 too short."""
    rng, folder = np.random.default_rng(1), made.store.parent
    rows = panel_rows((0, 2, 7), DAYS, rng, known_ahead=HORIZON) + panel_rows((9,), 5, rng, known_ahead=HORIZON)
    (folder / "night.csv").write_text("\n".join(["store,day,sales,price", *rows]) + "\n")
    made_rows = in_a_fresh_process(predict_panel, made.store, folder / "night.csv", folder / "out")
    return {row["store"]: row for row in made_rows}


def test_another_process_forecasts_each_series_once_with_the_stamps_of_its_horizon(forecast):
    assert set(forecast) == {"s0", "s2", "s7"}
    last = FIRST + dt.timedelta(DAYS - 1)
    for row in forecast.values():
        assert row["day"] == str(last)
        assert row["prediction_times"] == [last + dt.timedelta(i + 1) for i in range(HORIZON)]
        assert np.array(row["prediction"]).shape == (HORIZON, 1)


def test_a_new_series_is_forecast_by_its_own_history_and_its_known_prices(forecast):
    level = 20.0 * 4**7
    assert 0.3 * level < np.mean(forecast["s7"]["prediction"]) < 1.7 * level
    spread = [np.ptp(np.ravel(row["prediction"])) / np.mean(row["prediction"]) for row in forecast.values()]
    assert min(spread) > 0.2  # it follows the week


def test_a_panel_in_memory_is_forecast_as_one_in_a_file(forecast, made):
    table = pc.read_csv(made.store.parent / "night.csv")
    predictor = load_predictor(store=made.store)
    rows = predictor.predict_table(table).to_pylist()
    assert {row["store"]: row["prediction"] for row in rows} == {
        store: row["prediction"] for store, row in forecast.items()
    }
    assert [row["prediction_times"] for row in rows] == [row["prediction_times"] for row in forecast.values()]
    none = predictor.predict_table(table.filter(pa.compute.equal(table["store"], "s9")))
    assert (len(none), none.column_names) == (0, list(rows[0]))
    with pytest.raises(DataError, match="1 rows cannot be used"):
        predictor.predict_table(table.slice(0, 1).set_column(0, "store", pa.array([None], pa.string())))
    with pytest.raises(DataError, match="predict_table"):
        predictor.predict([[1.0] * 14])


def test_with_long_rows_each_step_is_one(forecast, made, tmp_path):
    predict(made.store, made.store.parent / "night.csv", output=tmp_path, long=True, format="csv")
    rows = rows_of(tmp_path / "night.csv.csv")
    assert len(rows) == 3 * HORIZON
    assert [float(row["prediction"]) for row in rows] == pytest.approx(
        [value for row in forecast.values() for (value,) in row["prediction"]]
    )
    assert [row["horizon_step"] for row in rows[:HORIZON]] == [str(i + 1) for i in range(HORIZON)]
    assert rows[0]["prediction_time"] == str(FIRST + dt.timedelta(DAYS))
    assert account_of(tmp_path, "night.csv")["predicted"] == 3


def test_the_account_says_what_became_of_every_row_and_series(forecast, made):
    assert forecast
    account = account_of(made.store.parent / "out", "night.csv")
    assert account["series"] == {"forecast": 3, "not_forecast": {"history_too_short": 1}}
    assert account["known_ahead"] == 4 * HORIZON
    assert account["read"] == account["predicted"] + account["history_only"] + account["known_ahead"]


def test_the_page_of_a_batch_shows_a_few_forecasts_after_their_history(forecast, made, tmp_path):
    where = made.store.parent / "night.csv"
    jobs = predict(made.store, where, output=tmp_path)
    shown = account_of(tmp_path, "night.csv")["forecasts"]
    assert [one["which"] for one in shown] == list(forecast)
    for one in shown:
        row = forecast[one["which"]]
        assert one["predicted"] == row["prediction"]
        assert one["times"][-HORIZON:] == [str(time) for time in row["prediction_times"]]
        assert len(one["history"]) == len(one["times"]) - HORIZON == 14
        assert one["history"][-1] == [pytest.approx(float(row["sales"]))]
    page = Path(write_report(made.store, jobs, where, output=tmp_path)["report"]).read_text()
    assert page.count("14 steps of sales and 7 steps that were forecast") == 3
    assert "s7 of night.csv" in page
    assert "forecasts" not in json.loads((tmp_path / "_run.json").read_text())
