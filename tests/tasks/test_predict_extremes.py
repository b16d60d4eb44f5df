"""Numbers far beyond those of training, in files to predict: a finite prediction that is flagged, or a named reject."""

import json
import math

import numpy as np
import pytest

from tasks.check import check_rows
from tasks.predict import load_predictor
from tasks.predict_batch import plan_batch
from tasks.seq2seq.arrays.sequences import Sequences
from tasks.seq2seq.data.codecs import Codecs
from tasks.seq2seq.data.scaling import Scaling
from tasks.seq2seq.errors import DataError
from tasks.seq2seq.inference.predictor import Predictor
from tests.helpers.batch_models import HISTORY, batch_models, wave
from tests.helpers.batch_runs import account_of, predict, report, rows_of, settings_of
from tests.helpers.engines import architecture_of
from tests.helpers.kinds import KINDS
from tests.helpers.kinds import settings_of as settings_of_kind
from tests.helpers.random_models import random_engine

KEPT, REFUSED = [1e9, -1e30, 3.4e38, -3.4e38, 1e99], [1e101, -1e200, 1e300, -1.797e308]


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return batch_models(tmp_path_factory).need("wave", "rising")


def write(path, steps):
    path.write_text("day,level\n" + "".join(f"{i},{value!r}\n" for i, value in enumerate(steps)))
    return path


def are_finite(predictions):
    return np.isfinite(np.array([*predictions], np.float64)).all()


@pytest.mark.parametrize("model", ["wave", "rising"])
@pytest.mark.parametrize("value", KEPT)
def test_a_far_number_in_a_source_gives_a_finite_prediction_that_is_flagged(store, tmp_path, model, value):
    steps = wave(20).tolist()
    steps[10] = value
    path = write(tmp_path / "a.csv", steps)
    where = {"output": tmp_path / "out", "model": model, "origins": "all"}
    jobs = predict(store, path, **where)
    rows = rows_of(tmp_path / "out" / "a.csv.parquet")
    assert len(rows) == 20 - HISTORY + 1
    assert are_finite(row["prediction"] for row in rows)
    assert [row["outside_range"] for row in rows] == [
        row["origin_row"] - HISTORY <= 10 < row["origin_row"] for row in rows
    ]
    json.dumps(report(store, jobs, path, **where), allow_nan=False)
    assert all(math.isfinite(count) for count in account_of(tmp_path / "out", "a.csv")["tally"]["scored"].values())


@pytest.mark.parametrize("model", ["wave", "rising"])
@pytest.mark.parametrize("value", REFUSED)
def test_a_number_whose_square_fits_no_64_bits_is_a_reject_with_its_reason(store, tmp_path, model, value):
    steps = wave(20).tolist()
    steps[3] = value
    predict(store, write(tmp_path / "a.csv", steps), output=tmp_path / "out", model=model, origins="all")
    (reject,) = rows_of(tmp_path / "out" / "a.csv.rejects.parquet")
    assert (reject["row"], reject["reason"]) == (4, "source_extreme")
    assert repr(value) in reject["content"]
    rows = rows_of(tmp_path / "out" / "a.csv.parquet")
    assert rows
    assert are_finite(row["prediction"] for row in rows)


def test_python_is_told_which_source_has_such_a_number(store):
    predictor = load_predictor("wave", store)
    fine, far, extreme = ([[float(i)] for i in range(HISTORY)] for _ in range(3))
    far[2], extreme[2] = [1e99], [1e300]
    assert are_finite(predictor.predict([fine, far]))
    with pytest.raises(DataError, match=r"1 of 2 sequences .*: 1 \(extreme\)"):
        predictor.predict([fine, extreme])


@pytest.mark.parametrize("origins", ["all", "last"])
def test_the_first_rows_are_looked_at_for_numbers_that_look_like_marks(store, tmp_path, origins):
    """Each time step once, however many windows it is in."""
    steps = [100 + (i * 37 % 11) / 10 for i in range(40)]
    steps[33] = steps[36] = -3.4e38
    path = write(tmp_path / "a.csv", steps)
    settings = settings_of(path, output=tmp_path / "out", model="wave", origins=origins)
    found = check_rows.fn(plan_batch.fn(settings, store), settings, store).findings
    (said,) = [one["message"] for one in found if one["rule"] == "sentinels"]
    assert "column 'level' holds -3.4e+38 2 times" in said
    assert {one["level"] for one in found if one["rule"] == "sentinels"} == {"warning"}


@pytest.mark.parametrize("kind", [name for name, kind in KINDS.items() if not kind.get("share_embeddings")])
def test_no_kind_of_model_makes_of_far_numbers_what_is_none(kind):
    """Two infinities of different signs are not a number, nor is an infinity times a weight of 0."""
    scaling = Scaling((5.0, -2.0), (2.0, 0.5), (0.0, -4.0), (9.0, 0.0))
    codecs = Codecs(scaling, scaling)
    engine = random_engine(architecture_of(codecs, settings_of_kind(KINDS[kind])))
    rng = np.random.default_rng(0)
    values = rng.choice([1e99, -1e99, 3e38, -3e38, 5.0], (600, 2))
    sources = Sequences.of_lengths(values, np.full(100, 6))
    forecasts = Predictor(engine, codecs, 3).predict(sources, with_states=True)
    assert np.isfinite(forecasts.sequences.values).all()
    assert forecasts.states is not None
    assert np.isfinite(forecasts.states).all()
