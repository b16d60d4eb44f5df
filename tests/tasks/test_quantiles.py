"""All steps on series with noise of a known spread, whose quantiles are forecast."""

import datetime as dt
import re

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import csv as pc

from tasks.export_onnx import export_onnx
from tasks.export_saved_model import export_saved_model
from tasks.predict import load_predictor
from tasks.seq2seq.errors import DataError
from tasks.storage.store.artifact_store import Store
from tasks.storage.store.promotions import promote
from tests.helpers.batch_runs import predict, rows_of
from tests.helpers.fresh_processes import in_a_fresh_process, predict_panel
from tests.tasks.test_own_data import Made

pytestmark = pytest.mark.seconds

DAYS, HORIZON = 500, 3
FIRST = dt.date(2022, 1, 3)
# Of each series; that of the noise is a quarter of the level.
LEVELS = {"small": 4.0, "large": 400.0}
EIGHTY_PERCENT = 2 * 1.2815516  # deviations between the quantiles 0.1 and 0.9 of a normal distribution
NAMES = ["quantile_0.1", "quantile_0.75", "quantile_0.9"]


def lines_of(days, rng):
    """A week and noise about each level; the best that can be said of the noise is its spread."""
    for name, level in LEVELS.items():
        for day in range(days):
            value = level * (1 + np.sin(2 * np.pi * day / 7) + 0.25 * rng.normal())
            yield f"{name},{FIRST + dt.timedelta(day)},{value:.6f}"


def write(path, days, seed):
    """A file of both series."""
    lines = lines_of(days, np.random.default_rng(seed))
    path.write_text("\n".join(["series,day,value", *lines]) + "\n")
    return path


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("noise")
    data = {
        "train": write(folder / "noise.csv", DAYS, 0), "source": "value", "source_encoding": "vectors",
        "target_encoding": "vectors", "history": 14, "horizon": HORIZON, "time": "day", "series": "series",
        "scale": "series", "relative_to_last": True, "test_fraction": 0.3, "calendar": ["weekday"],
    }  # fmt: skip
    training = {
        "loss": "quantile", "quantiles": [0.1, 0.5, 0.75, 0.9], "epochs": 12, "batch_size": 32, "learning_rate": 0.01,
        "sampling": "constant",
    }  # fmt: skip
    found = Made(folder / "store", data=data, model={"units": 12}, training=training)
    promote(Store(found.store), found.experiment.promotion_name, found.bundle.digest, "for the test")
    return found


def test_an_80_percent_interval_covers_about_as_much_at_each_step(made):
    assert 0.7 < made.scores["interval_coverage"]["0.8"] < 0.9
    assert len(made.scores["interval_coverage_by_step"]["0.8"]) == HORIZON
    assert all(0.65 < share < 0.92 for share in made.scores["interval_coverage_by_step"]["0.8"])


def test_intervals_are_as_wide_as_the_noise_of_each_series_and_never_cross(made):
    rows = made.predictions.to_pylist()
    for name, level in LEVELS.items():
        ordered = np.array(
            [[row["quantile_0.1"], row["prediction"], *(row[other] for other in NAMES[1:])] for row in rows
             if row["series"] == name]
        )  # fmt: skip
        assert (np.diff(ordered, axis=1) > 0).all()
        width = np.median(ordered[:, 3] - ordered[:, 0])
        assert width == pytest.approx(EIGHTY_PERCENT * 0.25 * level, rel=0.35)


def test_the_scores_are_those_of_the_predictions_in_original_units(made):
    rows = made.predictions.to_pylist()
    truth, low, high = (np.array([row[name] for row in rows]) for name in ("target", "quantile_0.1", "quantile_0.9"))
    assert made.scores["interval_coverage"]["0.8"] == pytest.approx(((low <= truth) & (truth <= high)).mean())
    assert made.scores["interval_width"]["0.8"] == pytest.approx((high - low).mean())
    assert made.scores["mae"] == pytest.approx(np.abs(truth - np.array([row["prediction"] for row in rows])).mean())


def test_the_report_shows_what_each_interval_covers(made):
    assert f"0.8: {made.scores['interval_coverage']['0.8']:.4g}" in made.page
    assert "share of values in each interval" in made.page.lower()


@pytest.mark.parametrize("export", [export_onnx, export_saved_model])
def test_exports_give_the_quantiles_too(made, export):
    """They are verified on held-out windows before they are published."""
    handle = export.fn(made.experiment, made.dataset, made.bundle, made.store)
    assert handle.figures["verified"] > 50


@pytest.fixture(scope="module")
def night(made):
    return write(made.store.parent / "night.csv", 40, 1)


@pytest.fixture(scope="module")
def forecast(made, night):
    """The rows of an output that another process made."""
    return in_a_fresh_process(predict_panel, made.store, night, made.store.parent / "out")


def test_another_process_forecasts_quantiles_beside_the_prediction(forecast):
    names = list(forecast[0])
    first = names.index("prediction")
    assert names[first : first + 4] == ["prediction", *NAMES]
    for row in forecast:
        low, high = (np.ravel(row[name]) / LEVELS[row["series"]] for name in ("quantile_0.1", "quantile_0.9"))
        assert low.shape == (HORIZON,)
        assert (low < high).all()
        assert (high - low).mean() == pytest.approx(EIGHTY_PERCENT * 0.25, rel=0.5)


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_every_format_has_the_same_quantiles(made, night, forecast, kind):
    output = made.store.parent / f"out-{kind}"
    predict(made.store, night, output=output, format=kind)
    (path,) = output.glob(f"night*.{kind}")
    read = pc.read_csv(path).to_pylist() if kind == "csv" else rows_of(path)
    for row, expected in zip(read, forecast, strict=True):
        for name in ("prediction", *NAMES):
            numbers = [float(number) for number in re.findall(r"[-+.\de]+", str(row[name]))]
            assert numbers == pytest.approx(np.ravel(expected[name]).tolist())


def test_a_panel_in_memory_has_the_same_quantiles(made, night, forecast):
    found = load_predictor(store=made.store).predict_table(pc.read_csv(night)).to_pylist()
    assert [{name: row[name] for name in ("prediction", *NAMES)} for row in found] == [
        {name: row[name] for name in ("prediction", *NAMES)} for row in forecast
    ]


def test_a_column_of_the_name_of_a_quantile_is_refused(made, night):
    table = pc.read_csv(night)
    clashing = table.append_column("quantile_0.1", pa.array([0.0] * len(table)))
    with pytest.raises(DataError, match=r"has a column 'quantile_0\.1', which predictions write themselves"):
        load_predictor(store=made.store).predict_table(clashing)
    other = table.append_column("quantile_0.3", pa.array([0.0] * len(table)))
    assert "quantile_0.3" in load_predictor(store=made.store).predict_table(other).column_names
