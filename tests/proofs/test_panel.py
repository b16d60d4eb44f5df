"""The panel of data/examples: its files are what its script draws, and its truth can be found again in them."""

import numpy as np
import pyarrow.csv as pc
import pyarrow.parquet as pq
import pytest

from data.examples import panel
from flows._cli.settings import read_toml
from tasks.seq2seq.settings.data import FilesData
from tasks.seq2seq.settings.rules import check_experiment
from tasks.storage.artifacts.stored_series import StoredSeries
from tasks.storage.ingest.series import ingest_series
from tests.conftest import ROOT
from tests.proofs.proofs import LEAST_ERROR_OF_PANEL

EXAMPLES = ROOT / "data" / "examples"
pytestmark = pytest.mark.seconds


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A folder with what the script writes."""
    folder = tmp_path_factory.mktemp("panel")
    panel.write(folder)
    return folder


@pytest.fixture(scope="module")
def sold(written):
    """The rows with sales, as arrays by column."""
    table = pq.read_table(written / "panel.parquet")
    table = table.filter(table["sales"].is_valid())
    return {name: table[name].to_numpy() for name in table.column_names}


def test_the_files_are_what_the_script_writes(written):
    for name, read in (("panel.parquet", pq.read_table), ("panel-ahead.csv", pc.read_csv)):
        assert read(EXAMPLES / name).equals(read(written / name)), f"run python data/examples/panel.py for {name}"


def dummies(values):
    """A column of 0 and 1 for each value but the first."""
    return (values[:, None] == np.unique(values)[1:]).astype(float)


@pytest.fixture(scope="module")
def fitted(sold):
    """The logarithm of sales as a sum of what the process says, by least squares: coefficients by name, residuals."""
    since = (sold["day"] - panel.FIRST).astype(int) / 365.25
    shops = (sold["shop"][:, None] == np.array(panel.SHOPS)).astype(float)
    weekday = (sold["day"].astype("M8[D]").astype(int) + 3) % 7
    yearday = (sold["day"] - sold["day"].astype("M8[Y]").astype("M8[D]")).astype(int)
    angle = 2 * np.pi * (yearday - 80) / 365.25
    parts = {
        "level": shops, "trend": shops * since[:, None], "week": dummies(weekday), "year": np.sin(angle)[:, None],
        "none": np.cos(angle)[:, None], "price": np.log(sold["price"] / panel.PRICE)[:, None],
        "promotion": sold["promotion"][:, None], "holiday": sold["holiday"][:, None],
    }  # fmt: skip
    columns, logs = np.concatenate(list(parts.values()), axis=1), np.log(np.maximum(sold["sales"], 0.5))
    found, *_ = np.linalg.lstsq(columns, logs)
    ends = np.cumsum([part.shape[1] for part in parts.values()])
    return dict(zip(parts, np.split(found, ends[:-1]), strict=True)), logs - columns @ found


def test_the_truth_of_the_process_is_found_again(fitted):
    found, _ = fitted
    assert found["week"] == pytest.approx(np.log(np.array(panel.WEEK[1:]) / panel.WEEK[0]), abs=0.03)
    assert found["year"] == pytest.approx(panel.YEAR, abs=0.02)
    assert found["none"] == pytest.approx(0, abs=0.02)
    assert found["price"] == pytest.approx(panel.ELASTICITY, abs=0.1)
    assert found["promotion"] == pytest.approx(np.log(panel.PROMOTION), abs=0.03)
    assert found["holiday"] == pytest.approx(np.log(panel.HOLIDAY), abs=0.06)
    assert ((found["trend"] > -0.09) & (found["trend"] < 0.19)).all()


def test_the_noise_is_as_loud_as_stated_and_says_nothing_of_the_next_day(fitted):
    _, residuals = fitted
    assert residuals.std() == pytest.approx(panel.NOISE, rel=0.03)
    assert np.corrcoef(residuals[:-1], residuals[1:])[0, 1] == pytest.approx(0, abs=0.03)


def test_the_medians_are_exceeded_as_often_as_not_and_nothing_found_in_the_data_is_nearer(sold, fitted):
    drawn = panel.draw()
    table = panel.history(drawn)
    medians = drawn.medians[drawn.rows["day"].to_numpy() < panel.FIRST + panel.DAYS]
    medians = medians[table["sales"].is_valid().to_numpy(zero_copy_only=False)]
    assert np.mean(sold["sales"] > medians) == pytest.approx(0.5, abs=0.02)
    spread = np.exp(panel.NOISE * 1.2816)  # the quantiles 0.1 and 0.9 of the noise
    inside = (sold["sales"] > medians / spread) & (sold["sales"] < medians * spread)
    assert inside.mean() == pytest.approx(0.8, abs=0.02)
    _, residuals = fitted
    found = sold["sales"] / np.exp(residuals)
    assert np.abs(sold["sales"] - medians).mean() == pytest.approx(np.abs(sold["sales"] - found).mean(), rel=0.01)


def test_the_least_error_that_the_proof_is_held_against_is_that_of_the_medians(tmp_path):
    experiment = check_experiment(read_toml(EXAMPLES / "panel.toml"))
    assert isinstance(experiment.data, FilesData)
    ingest_series(experiment.data, tmp_path)
    drawn, stored = panel.draw(), StoredSeries(tmp_path)
    medians = drawn.medians[drawn.rows["day"].to_numpy() < panel.FIRST + panel.DAYS]
    horizons = np.asarray(stored.lasts("test"))[:, None] + np.arange(1, panel.AHEAD + 1)
    rows = np.load(tmp_path / "steps.row.npy")[horizons]  # from 1
    errors = np.abs(stored.steps.target[horizons][..., 0] - medians[rows - 1])
    assert errors.mean() == pytest.approx(LEAST_ERROR_OF_PANEL, abs=0.001)


def test_shops_open_late_close_early_and_have_gaps_and_what_is_ahead_is_known(written, sold):
    days = {shop: sold["day"][sold["shop"] == shop] for shop in panel.SHOPS}
    assert days[panel.LATE].min() == panel.FIRST + 400
    assert days[panel.EARLY].max() < panel.FIRST + 900
    assert all((np.diff(of).astype(int) > 1).any() for of in days.values())
    ahead = pc.read_csv(written / "panel-ahead.csv")
    unknown = ahead.filter(ahead["day"].to_numpy() >= panel.FIRST + panel.DAYS)
    assert unknown["sales"].null_count == len(unknown) == panel.AHEAD * (len(panel.SHOPS) - 1)
    assert unknown["price"].null_count == 0
