"""The picture of encoder states: what is drawn, where it lies, when it is made again, and what is refused."""

import io
import json
from pathlib import Path

import matplotlib.image
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.prediction.batch_check import check_batch
from tasks.reporting import states_picture
from tasks.reporting.batch_page import as_markdown, find_pictures
from tasks.reporting.figures import states_figure
from tasks.reporting.projection import Projection, find_colours, principal_components
from tasks.reporting.states_picture import SampledStates
from tasks.seq2seq.errors import SettingsError
from tasks.seq2seq.settings.batch import check_batch_settings
from tasks.storage.store.artifact_store import Store
from tests.helpers.batch_models import batch_models, integer_pairs
from tests.helpers.batch_runs import HereAndNow, Killed, account_of, contents, predict, settings_of, write_report


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return batch_models(tmp_path_factory).need("integers")


@pytest.fixture
def folder(tmp_path):
    """Two files with a column of three kinds, one of them with a row that cannot be used."""
    source, target = integer_pairs(60, seed=1)
    kinds = ["even", "odd", "$x_1$"]
    lines = [
        f"{' '.join(map(str, s))},{' '.join(map(str, t))},{kinds[i % 3]}"
        for i, (s, t) in enumerate(zip(source, target, strict=True))
    ]
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.csv").write_text("\n".join(["source,target,kind", *lines, "x,1,odd", ""]))
    pq.write_table(pa.table({"source": source, "kind": [1.5] * 60}), tmp_path / "in" / "b.parquet")
    return tmp_path / "in"


ASKED = {"model": "integers", "encoder_states": True, "states_picture": "kind"}


def test_each_output_has_a_picture_that_its_account_vouches_for(store, folder):
    out = folder.parent / "out"
    jobs = predict(store, folder, output=out, **ASKED)
    for name in ("a.csv", "b.parquet"):
        picture = matplotlib.image.imread(io.BytesIO((out / f"{name}.states.png").read_bytes()), format="png")
        assert picture.shape[:2] == (540, 720)
        assert f"{name}.states.png" in account_of(out, name)["files"]
    assert {job.action for job in predict(store, folder, output=out, **ASKED).values()} == {"keep"}
    (out / "a.csv.states.png").unlink()
    again = predict(store, folder, output=out, **ASKED)
    assert (again["a.csv"].action, again["a.csv"].reason) == ("predict", "a.csv.states.png is missing")
    assert again["b.parquet"].action == "keep"
    page = write_report(store, jobs, folder, output=out, **ASKED)
    assert [*find_pictures(page)] == ["a.csv", "b.parquet"]
    assert Path(page["report"]).read_text().count("data:image/png;base64,") == 2
    assert as_markdown(page).count("![encoder states](data:image/png;base64,") == 2
    assert json.loads((out / "_run.json").read_text())["files"][0]["outputs"] == [
        "a.csv.parquet", "a.csv.rejects.parquet", "a.csv.states.png",
    ]  # fmt: skip


def test_a_picture_is_the_same_whatever_the_chunks_and_after_a_kill(store, folder, monkeypatch):
    monkeypatch.setattr(states_picture, "MOST_POINTS", 20)
    whole, killed = folder.parent / "whole", folder.parent / "killed"
    predict(store, folder / "a.csv", output=whole, **ASKED, chunk_rows=7)
    with pytest.raises(Killed):
        predict(store, folder / "a.csv", output=killed, **ASKED, chunk_rows=7, runner=HereAndNow(dies_before=5))
    jobs = predict(store, folder / "a.csv", output=killed, **ASKED, chunk_rows=7)
    assert jobs["a.csv"].n_resumed > 0
    assert contents(killed) == contents(whole)


def test_a_picture_that_is_not_asked_for_any_more_is_removed_and_another_column_draws_another(store, folder):
    out = folder.parent / "out"
    predict(store, folder / "a.csv", output=out, **ASKED)
    first = (out / "a.csv.states.png").read_bytes()
    predict(store, folder / "a.csv", output=out, **{**ASKED, "states_picture": "correct"})
    assert (out / "a.csv.states.png").read_bytes() != first
    predict(store, folder / "a.csv", output=out, model="integers", encoder_states=True)
    assert not (out / "a.csv.states.png").exists()


def test_a_file_of_which_no_row_can_be_used_has_an_empty_picture(store, folder):
    (folder / "a.csv").write_text("source,target,kind\nx,1,odd\n")
    predict(store, folder / "a.csv", output=folder.parent / "out", **ASKED)
    assert (folder.parent / "out" / "a.csv.states.png").stat().st_size > 1000


def test_a_column_that_no_file_has_is_refused_and_one_that_some_files_lack_fails_those(store, folder):
    def settings(column):
        return settings_of(folder, output=folder.parent / "out", **{**ASKED, "states_picture": column})

    for column in ("kind", "prediction", "log_probability", "n_unknown", "correct"):
        check_batch(settings(column), Store(store))
    for column in ("kinds", "encoder_state", "origin_row", "outside_range"):
        with pytest.raises(SettingsError, match=rf"--states-picture: .*a.csv has no column '{column}' to colour by"):
            check_batch(settings(column), Store(store))
    with pytest.raises(SettingsError, match=r"did you mean 'kind'.*there are source, target, kind, prediction"):
        check_batch(settings("kinds"), Store(store))
    jobs = predict(store, folder, output=folder.parent / "out", **{**ASKED, "states_picture": "correct"})
    assert {name: job.action for name, job in jobs.items()} == {"a.csv": "predict", "b.parquet": "fail"}
    assert "b.parquet has no column 'correct' to colour by" in jobs["b.parquet"].reason


def test_a_picture_without_states_is_refused():
    with pytest.raises(SettingsError, match=r"states_picture is 'x', but encoder_states is not set"):
        check_batch_settings({"inputs": ["a.csv"], "output": "out", "states_picture": "x"})


def test_the_sample_is_of_the_same_rows_as_their_colours(monkeypatch):
    monkeypatch.setattr(states_picture, "MOST_POINTS", 8)
    drawn = []

    def draw(*given):
        drawn.append(given)
        return b""

    monkeypatch.setattr("tasks.reporting.figures.states", draw)
    sample = SampledStates("n")
    for first in range(0, 100, 10):
        numbers = np.arange(first, first + 10)
        states = pa.FixedSizeListArray.from_arrays(pa.array(np.repeat(numbers, 3).astype(np.float32)), 3)
        sample.add(pa.table({"n": numbers, "encoder_state": states, "other": numbers}))
    sample.draw()
    ((projection, colours, column, seen),) = drawn
    assert (column, seen, projection.shares[0]) == ("n", 100, pytest.approx(1))
    shown = [int(name) for name in colours.categories]
    assert shown == list(range(0, 100, 16))
    np.testing.assert_allclose(projection.points[:, 0], np.sqrt(3) * (np.array(shown) - np.mean(shown)), atol=1e-5)


def test_wide_states_are_shown_of_fewer_rows(monkeypatch):
    monkeypatch.setattr(states_picture, "MOST_NUMBERS", 40)
    monkeypatch.setattr("tasks.reporting.figures.states", lambda projection, *_: b"%d" % len(projection.points))
    sample = SampledStates("n")
    states = pa.FixedSizeListArray.from_arrays(pa.array(np.zeros(200, np.float32)), 10)
    sample.add(pa.table({"n": np.arange(20), "encoder_state": states}))
    assert sample.draw() == b"3"


POINTS = Projection(np.array([[0.0, 1], [2, 3], [4, 5]]), (0.75, 0.2))


def test_the_picture_shows_categories_in_a_legend_with_their_rows_and_the_variance_on_its_axes():
    figure = states_figure(POINTS, find_colours(["_b", "$a$", "_b"]), "kind", seen=9)
    (axes,) = figure.axes
    assert axes.get_xlabel() == "1st principal component (75.0 % of the variance)"
    assert axes.get_ylabel() == "2nd (20.0 % of the variance)"
    assert axes.get_title() == "3 of 9 rows, evenly taken"
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [" $a$ (1)", " _b (2)"]
    assert [dots.get_offsets().tolist() for dots in axes.collections] == [[[2, 3]], [[0, 1], [4, 5]]]


def test_the_picture_shows_many_numbers_by_a_colour_bar():
    values = [*range(30), None]
    figure = states_figure(Projection(np.zeros((31, 2)), (0.0, 0.0)), find_colours(values), "length", seen=31)
    axes, bar = figure.axes
    assert (axes.get_title(), bar.get_ylabel(), figure.legends) == ("31 rows", "length", [])
    assert axes.collections[0].get_array()[:30].tolist() == list(range(30))


def test_states_of_two_kinds_lie_apart():
    """The truth is known: two clouds that differ in one of 40 directions more than they spread."""
    rng = np.random.default_rng(0)
    kinds = rng.integers(0, 2, 300)
    rows = rng.normal(size=(300, 40)) + 20 * kinds[:, None] * (np.arange(40) == 7)
    first = principal_components(rows).points[:, 0]
    assert ((first > 0) == (kinds == 1)).all()
