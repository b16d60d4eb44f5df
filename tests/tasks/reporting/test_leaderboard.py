"""All experiments side by side."""

import csv
import io

import pytest

from tasks.reporting.leaderboard import as_csv, as_page, board_rows, make_boards
from tasks.seq2seq.errors import SettingsError
from tasks.seq2seq.settings.rules import check_experiment
from tasks.storage.store.experiments import StoredExperiment
from tests.helpers.stored import digest

FORECAST = {"train": "sales.csv", "source_encoding": "vectors", "target_encoding": "vectors"}


def experiment(bundle, score=None, validation=None, *, dataset="pairs", name="a", metric="sequence_accuracy", **more):
    promoted = more.pop("promoted_as", [])
    seconds = more.pop("seconds", 2.5)
    return StoredExperiment(
        name=name,
        experiment=check_experiment({"name": name, **more}).model_dump(mode="json"),
        dataset=digest(dataset),
        bundle=digest(bundle),
        evaluation=None if score is None else {metric: score, f"{metric}_interval": [score - 0.1, score + 0.1]},
        validation=None if validation is None else {metric: validation},
        seconds=seconds,
        parameters=1234,
        bytes=1_500_000,
        promoted_as=promoted,
    )


THREE = [
    experiment("first", 0.5, model={"units": 8}),
    experiment("trial", None, 0.9, name="a.trials", model={"units": 32}),
    experiment("second", 0.75, 0.7, promoted_as=["a"], model={"units": 16}),
]


def test_those_with_a_proven_score_come_first_and_trials_behind_them():
    (board,) = make_boards(THREE, None)
    assert [row["bundle"] for row in board["experiments"]] == [digest(one) for one in ("second", "first", "trial")]
    assert board["differs"] == ["model.units"]
    assert [row["settings"] for row in board["experiments"]] == [{"model.units": n} for n in (16, 8, 32)]


def test_different_data_does_not_stand_side_by_side_and_an_error_is_better_where_it_is_lower():
    forecasts = [
        experiment(name, score, dataset="sales", metric="mae", name="sales", data=FORECAST, seed=i)
        for i, (name, score) in enumerate([("worse", 2.0), ("better", 1.0)])
    ]
    pairs, sales = make_boards([*THREE, *forecasts], None)
    assert (pairs["metric"], sales["metric"], sales["direction"]) == ("sequence_accuracy", "mae", "minimize")
    assert [row["bundle"] for row in sales["experiments"]] == [digest("better"), digest("worse")]
    assert [board["names"] for board in make_boards([*THREE, *forecasts], "sales")] == [["sales"]]


@pytest.mark.parametrize("problem", ["a", "reverse_first"])
def test_a_problem_is_named_by_its_experiment_whose_trials_belong_to_it_or_by_what_is_generated(problem):
    (board,) = make_boards([*THREE, experiment("other", 1.0, dataset="x", name="b", data=FORECAST)], problem)
    assert len(board["experiments"]) == 3


def test_a_problem_that_is_not_there_is_refused_with_the_nearest_that_is():
    with pytest.raises(SettingsError, match=r"no experiment of the store is called 'revers_first', did you mean 'rev"):
        make_boards(THREE, "revers_first")
    with pytest.raises(SettingsError, match="there are: none"):
        make_boards([], "a")
    assert make_boards([], None) == []


def test_a_person_reads_scores_with_intervals_differences_time_size_and_what_serves():
    first, *_, last = board_rows(make_boards(THREE, None)[0])
    assert first == {
        "": "1", "name": "a", "sequence_accuracy": "0.75 (0.65 to 0.85)", "on validation": "0.7", "model.units": "16",
        "trained in": "2.5 s", "parameters": "1,234", "size": "1.50 MB", "bundle": digest("second")[:16],
        "serves as": "a",
    }  # fmt: skip
    assert (last["sequence_accuracy"], last["on validation"]) == ("", "0.9")


def test_a_csv_has_whole_numbers_and_digests():
    rows = list(csv.DictReader(io.StringIO(as_csv(make_boards(THREE, None)))))
    assert len(rows) == 3
    assert (rows[0]["rank"], rows[0]["score"], rows[0]["low"], rows[0]["model.units"]) == ("1", "0.75", "0.65", "16")
    assert rows[0]["bundle"] == digest("second")
    assert (rows[2]["score"], rows[2]["low"], rows[2]["validation"]) == ("", "", "0.9")


def test_nothing_on_the_page_is_mark_up():
    page = as_page(make_boards([experiment("first", 0.5, data={**FORECAST, "source": "<b>x"}, metric="mae"),
                                experiment("next", 0.5, data={**FORECAST, "source": "y"}, metric="mae")], None), "/s")  # fmt: skip
    assert "&lt;b&gt;x" in page
    assert "<b>x" not in page
    assert "data.source" in page
