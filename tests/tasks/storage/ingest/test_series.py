"""The user's series as windows: no window across a gap, a cut or a file, and no row without its place."""

import json
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.seq2seq.data.scaling import Scaling
from tasks.seq2seq.errors import DataError
from tasks.seq2seq.settings.data import FilesData
from tasks.storage.artifacts import stored_series
from tasks.storage.artifacts.dataset import read_codecs, read_evaluation, read_split
from tasks.storage.files.json_files import load_json
from tasks.storage.ingest.series import ingest_series
from tests.helpers.settled import SETTLED

SPLITS = ("train", "validation", "test")
REALS = {"source_encoding": "vectors", "target_encoding": "vectors", "source": "y", "target": "y"}
WINDOW = {"history": 4, "horizon": 2}


class Dataset:
    def __init__(self, folder, facts):
        self.folder, self.facts = folder, facts
        self.account, self.scale = load_json(folder / "account.json"), load_json(folder / "series.json")["scale"]
        self.codecs = read_codecs(folder)
        self.rejects = pq.read_table(folder / "rejects.parquet").to_pylist()

    def raw(self, split):
        """The windows of a split, as they would be fed; those of the test with what stands beside them."""
        if split == "test":
            return [
                {"source": block.pairs.source[i].tolist(), "target": block.pairs.target[i].tolist()}
                | {name: column[i].as_py() for name, column in block.beside.items()}
                for block in read_evaluation(self.folder)
                for i in range(len(block.pairs))
            ]
        return [
            {"source": pairs.source[i].tolist(), "target": pairs.target[i].tolist()}
            for pairs in read_split(self.folder, split)
            for i in range(len(pairs))
        ]

    def windows(self, split):
        """History and horizon, one after the other, of each window; of a single feature."""
        return [self._steps(row, "source") + self._steps(row, "target") for row in self.raw(split)]

    def all_windows(self):
        return [window for name in SPLITS for window in self.windows(name)]

    def _steps(self, row, side):
        codec = getattr(self.codecs, side)
        if isinstance(codec, Scaling):
            return [step[0] for step in row[side]]
        return codec.decode(np.array(row[side], np.int32))


@pytest.fixture
def ingest(tmp_path):
    """Makes a dataset of series; its account must add up, by file and in all."""
    made = []

    def ingest_files(train, **settings):
        folder = tmp_path / f"dataset-{len(made)}"
        made.append(folder)
        folder.mkdir()
        facts = ingest_series(FilesData(train=train, **{**REALS, **WINDOW, **SETTLED, **settings}), folder)
        dataset = Dataset(folder, facts)
        account = dataset.account
        for one in (account, *account["series"]):
            assert one["read"] == one["windows"] + one["history_only"] + one["rejected"]
            assert min(one["windows"], one["history_only"], one["rejected"]) >= 0
        for name in ("read", "windows", "history_only", "rejected"):
            assert account[name] == sum(one[name] for one in account["series"])
        for name, rows in zip(SPLITS, (facts.train_rows, facts.validation_rows, facts.evaluation_rows), strict=True):
            assert len(dataset.raw(name)) == rows == sum(one["windows_by_split"][name] for one in account["series"])
            assert account["splits"].get(name, 0) == rows
        assert facts.rejected_rows == account["rejected"] == sum(account["reasons"].values()) == len(dataset.rejects)
        assert {path.name for path in folder.iterdir()} - {"steps.target.npy", "steps.filled.npy"} == {
            "rejects.parquet", "account.json", "codecs.json", "profile.json", "series.json", "series.parquet",
            *(f"steps.{name}.npy" for name in ("source", "ahead", "slot", "file", "row")),
            *(f"windows.{name}.npy" for name in (*SPLITS, "hash")),
        }  # fmt: skip
        return dataset

    return ingest_files


@pytest.fixture
def write(tmp_path):
    def write_columns(name="series.csv", **columns):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        rows = zip(*columns.values(), strict=True)
        path.write_text("\n".join([",".join(columns), *(",".join(map(str, row)) for row in rows)]) + "\n")
        return path

    return write_columns


def failure(action, *arguments, **keywords):
    with pytest.raises(DataError) as error:
        action(*arguments, **keywords)
    return str(error.value)


COUNT = list(map(float, range(1, 101)))  # each value is its row number


def test_every_window_is_cut_once_and_falls_into_the_split_of_its_horizon(ingest, write):
    """100 steps: training to 80, validation to 90, test to the end; horizons across a cut are in no split."""
    dataset = ingest(write(y=COUNT))
    starts = {name: [window[0] for window in dataset.windows(name)] for name in SPLITS}
    # The first step of a horizon is the start + 4, the last the start + 5.
    assert starts["train"] == [float(i) for i in range(1, 76)]
    assert starts["validation"] == [float(i) for i in range(77, 86)]
    assert starts["test"] == [float(i) for i in range(87, 96)]
    for name in SPLITS:
        for window in dataset.windows(name):
            assert window == [window[0] + i for i in range(6)]
    assert dataset.account["series"] == [
        {
            "file": "series.csv", "read": 100, "windows": 93, "history_only": 7, "rejected": 0,
            "windows_by_split": {"train": 75, "validation": 9, "test": 9},
        }
    ]  # fmt: skip
    assert (dataset.account["history"], dataset.account["horizon"], dataset.account["stride"]) == (4, 2, 1)


@pytest.mark.parametrize("fractions", [(0.0, 0.3), (0.2, 0.2), (0.33, 0.1)])
def test_no_horizon_of_training_reaches_into_what_is_held_out(ingest, write, fractions):
    validation, test = fractions
    dataset = ingest(write(y=COUNT), validation_fraction=validation, test_fraction=test)
    first_test = 100 - round(100 * test) + 1
    first_held_out = first_test - round(100 * validation)
    assert max(max(window) for window in dataset.windows("train")) < first_held_out
    assert min(window[4] for window in dataset.windows("test")) == first_test
    assert all(first_held_out <= window[4] and window[5] < first_test for window in dataset.windows("validation"))


def test_test_windows_name_their_file_and_the_last_row_of_their_history(ingest, write, tmp_path):
    write("many/a.csv", y=COUNT)
    write("many/b.csv", y=[1000.0 + value for value in COUNT])
    dataset = ingest(tmp_path / "many")
    for row, window in zip(dataset.raw("test"), dataset.windows("test"), strict=True):
        assert row["row"] == window[3] % 1000
        assert row["file"] == ("b.csv" if window[0] > 1000 else "a.csv")


def test_windows_never_cross_from_one_file_into_another(ingest, write, tmp_path):
    for i in range(3):
        write(f"many/{i}.csv", y=[1000.0 * i + value for value in COUNT[: 40 + i]])
    dataset = ingest(tmp_path / "many")
    assert [one["read"] for one in dataset.account["series"]] == [40, 41, 42]
    windows = dataset.all_windows()
    assert len({window[0] // 1000 for window in windows}) == 3
    assert all(window == [window[0] + i for i in range(6)] for window in windows)


@pytest.mark.parametrize(
    ("bad", "reason"),
    [("nan", "source_not_finite"), ("inf", "source_not_finite"), ("closed", "source_type"), ("", "source_empty"), ("1 2", "source_length")],
)  # fmt: skip
def test_a_row_that_cannot_be_used_is_a_gap_that_no_window_touches(ingest, write, bad, reason):
    steps = list(COUNT)
    steps[29] = steps[95] = bad
    dataset = ingest(write(x=COUNT, y=steps), max_reject_rate=0.02)  # an empty line of one column is no record
    assert [(row["file"], row["row"], row["reason"], json.loads(row["content"])) for row in dataset.rejects] == [
        ("series.csv", 30, reason, {"y": bad}), ("series.csv", 96, reason, {"y": bad})
    ]  # fmt: skip
    for name in SPLITS:
        for window in dataset.windows(name):
            assert window == [window[0] + i for i in range(6)]
            assert not {30.0, 96.0} & set(window)
    assert dataset.account["series"][0]["windows_by_split"]["train"] == 75 - 6
    assert dataset.account["reasons"] == {reason: 2}


def test_a_row_that_the_format_breaks_is_a_gap_too(ingest, write):
    path = write(x=COUNT, y=COUNT)
    lines = path.read_text().splitlines()
    lines[50] = "50.0,50.0,50.0"
    lines[100] = "100.0"
    path.write_text("\n".join(lines) + "\n")
    dataset = ingest(path, max_reject_rate=0.02)
    assert [(row["row"], row["reason"]) for row in dataset.rejects] == [(50, "columns"), (100, "columns")]
    assert dataset.account["read"] == 100
    windows = dataset.all_windows()
    assert all(window == [window[0] + i for i in range(6)] for window in windows)
    assert not {50.0, 100.0} & {step for window in windows for step in window}


def test_nulls_of_parquet_are_gaps(ingest, tmp_path):
    steps = [None if i in (20, 21) else float(i) for i in range(1, 101)]
    pq.write_table(pa.table({"y": steps}), tmp_path / "a.parquet")
    dataset = ingest(tmp_path / "a.parquet", max_reject_rate=0.02)
    assert dataset.account["reasons"] == {"source_null": 2}
    assert not {20.0, 21.0} & {step for window in dataset.windows("train") for step in window}


def test_gaps_end_the_run_unless_a_share_of_them_is_allowed(ingest, write):
    said = failure(ingest, write(y=["x", *COUNT[1:]]))
    for part in ("series.csv: 1 of 100 rows", "  series.csv    1  source_type  ", "data.max_reject_rate"):
        assert part in said


def test_a_stride_leaves_windows_out(ingest, write):
    dataset = ingest(write(y=COUNT), stride=3)
    assert [window[0] for window in dataset.windows("train")] == [float(i) for i in range(1, 76, 3)]
    assert dataset.account["stride"] == 3


def test_several_columns_are_features_in_the_order_asked_for(ingest, write):
    path = write(a=COUNT, b=[-value for value in COUNT], c=[10 * value for value in COUNT])
    dataset = ingest(path, source=("c", "a"), target=("b", "a"))
    row = dataset.raw("train")[0]
    assert row["source"] == [[10.0 * i, i] for i in range(1, 5)]
    assert row["target"] == [[-float(i), i] for i in range(5, 7)]
    assert (dataset.facts.source.features, dataset.facts.target.features) == (2, 2)


def test_a_gap_in_any_column_is_a_gap_of_the_row(ingest, write):
    bad = ["x" if i == 39 else value for i, value in enumerate(COUNT)]
    dataset = ingest(write(a=COUNT, b=bad), source=("a",), target=("b",), max_reject_rate=0.1)
    assert [(row["row"], row["reason"]) for row in dataset.rejects] == [(40, "target_type")]
    assert 40.0 not in {step[0] for row in dataset.raw("train") for step in row["source"]}


def test_scaling_is_learned_from_the_time_of_training_alone(ingest, write):
    """What lies beyond the cut, and a gap, are not in it."""
    steps: list[Any] = [*COUNT[:80], *[1e6] * 20]
    steps[9] = "nan"
    dataset = ingest(write(y=steps), max_reject_rate=0.1)
    seen = np.delete(np.array(COUNT[:80]), 9)
    for codec in (dataset.codecs.source, dataset.codecs.target):
        assert codec.mean == pytest.approx([seen.mean()])
        assert codec.deviation == pytest.approx([seen.std()])
        assert (codec.low, codec.high) == ((1.0,), (80.0,))


def test_windows_relative_to_their_last_step_are_differences_and_so_is_their_scaling(ingest, write):
    steps = [float(value) ** 2 for value in COUNT]
    dataset = ingest(write(y=steps), relative_to_last=True)
    assert dataset.facts.relative
    for i, window in enumerate(dataset.windows("train")):
        last = steps[i + 3]
        assert window == [value - last for value in steps[i : i + 6]]
    targets = np.array([window[4:] for window in dataset.windows("train")])
    assert dataset.codecs.target.mean == pytest.approx([targets.mean()])
    assert dataset.codecs.target.deviation == pytest.approx([targets.std()])
    sources = np.array([window[:4] for window in dataset.windows("train")])
    assert dataset.codecs.source.mean == pytest.approx([sources.mean()])


def test_test_windows_carry_the_season_before_them_in_original_values(ingest, write):
    """For the naive forecasts; where a series is too short for a season, or has a gap, there is none."""
    steps: list[Any] = list(COUNT)
    steps[85] = "x"
    dataset = ingest(write(y=steps), season=7, relative_to_last=True, max_reject_rate=0.1)
    assert dataset.facts.evaluation_rows
    for row in dataset.raw("test"):
        origin = row["row"]  # the last row of the history is the first row before the horizon
        expected = [float(i) if i != 86 else None for i in range(origin - 6, origin + 1)]
        assert [None if np.isnan(step[0]) else step[0] for step in row["recent"]] == expected
    short = ingest(write("short.csv", y=COUNT[:20]), season=19)
    assert np.isnan(short.raw("test")[0]["recent"][0][0])


@pytest.mark.parametrize("season", [1, 12])
def test_the_scale_is_the_error_of_the_naive_forecast_in_training(ingest, write, season):
    rng = np.random.default_rng(0)
    steps = np.round(rng.normal(size=200).cumsum(), 6)
    dataset = ingest(write(y=steps.tolist()), season=season)
    training = steps[:160]
    assert dataset.scale == pytest.approx([np.abs(training[season:] - training[:-season]).mean()])


def test_the_scale_takes_no_difference_across_a_gap_or_from_file_to_file(ingest, write, tmp_path):
    gap = [*COUNT[:30], "x", *[value * 100 for value in COUNT[31:]]]
    write("many/a.csv", y=gap)
    write("many/b.csv", y=[-value for value in COUNT])
    dataset = ingest(tmp_path / "many", max_reject_rate=0.1)
    differences = [1.0] * 29 + [100.0] * 48 + [1.0] * 79
    assert dataset.scale == pytest.approx([np.mean(differences)])


def test_the_scale_is_by_feature(ingest, write):
    dataset = ingest(write(a=COUNT, b=[3 * value for value in COUNT]), source=("a", "b"), target=("a", "b"))
    assert dataset.scale == pytest.approx([1.0, 3.0])


def test_integers_are_symbols_of_the_training_time(ingest, write):
    steps = [(-1) ** i * (i % 5) for i in range(90)] + [99] * 10
    path = write(y=steps)
    dataset = ingest(path, source_encoding="integers", target_encoding="integers")
    assert dataset.codecs.source.symbols == dataset.codecs.target.symbols == tuple(sorted(set(steps[:80])))
    assert dataset.windows("train")[0] == steps[:6]
    assert dataset.windows("test")[-1][-1] is None
    assert dataset.scale is None
    assert "recent" not in dataset.raw("test")[0]


def test_a_shared_vocabulary_counts_a_column_that_is_both_sides_once(ingest, write):
    steps = [i % 3 for i in range(80)] + [7] + [i % 3 for i in range(19)]
    steps[5] = 9
    settings = {"source_encoding": "integers", "target_encoding": "integers", "shared_vocabulary": True}
    dataset = ingest(write(y=steps), min_count=2, **settings)
    assert dataset.codecs.source == dataset.codecs.target
    assert dataset.codecs.source.symbols == (0, 1, 2)
    path = write("two.csv", y=steps, z=[step + 1 for step in steps])
    assert ingest(path, source="y", target="z", **settings).codecs.source.symbols == (0, 1, 2, 3, 9, 10)


def test_vectors_may_lead_to_integers(ingest, write):
    path = write(y=COUNT, up=[i % 2 for i in range(100)])
    dataset = ingest(path, target="up", target_encoding="integers")
    row = dataset.raw("train")[0]
    assert row["source"] == [[1.0], [2.0], [3.0], [4.0]]
    assert dataset.codecs.target.decode(np.array(row["target"])) == [0, 1]


def test_validation_and_test_series_of_their_own_are_taken_whole(ingest, write):
    train, dev, test = (write(f"{name}.csv", y=COUNT[:n]) for name, n in (("a", 50), ("b", 20), ("c", 10)))
    dataset = ingest(train, validation=dev, test=test)
    assert dataset.account["splits"] == {"train": 45, "validation": 15, "test": 5}
    assert [one["file"] for one in dataset.account["series"]] == ["a.csv", "b.csv", "c.csv"]
    assert dataset.codecs.source.high == (50.0,)


def test_a_series_too_short_for_a_window_in_each_split_ends_the_run_and_says_so(ingest, write):
    said = failure(ingest, write(y=COUNT[:12]))
    for part in (
        "series.csv",
        "no window falls into the validation split",
        "data.validation_fraction = 0.1 of a series of 12 time step(s) is 1 of them, too few for a horizon of 2",
        "for it data.validation_fraction = 0.13 and data.test_fraction = 0.13 would do",
    ):
        assert part in said
    said = failure(ingest, write(y=COUNT[:9]))
    assert "a series needs 10 time steps or more to have a window in each split: shorten them" in said
    assert "no window falls into the train split" in failure(ingest, write(y=COUNT[:3]))


def test_a_short_series_among_long_ones_is_history_only(ingest, write, tmp_path):
    write("many/a.csv", y=COUNT)
    write("many/b.csv", y=COUNT[:5])
    dataset = ingest(tmp_path / "many")
    short = dataset.account["series"][1]
    assert (short["read"], short["windows"], short["history_only"]) == (5, 0, 5)


def test_windows_that_repeat_are_counted(ingest, write):
    dataset = ingest(write(y=[1.0, 2.0] * 50))
    repeats = dataset.account["repeats"]
    assert repeats["conflicts"] == 0
    assert repeats["duplicates"] == 93 - 2
    assert repeats["test_overlap"] == 9
    assert set(ingest(write(y=COUNT)).account["repeats"].values()) == {0}


def test_many_windows_of_a_long_history_are_cut_in_blocks(ingest, write, monkeypatch):
    """A window's steps stand in many others: only some windows are held at a time."""
    dataset = ingest(write(y=COUNT))
    whole = {name: dataset.raw(name) for name in SPLITS}
    monkeypatch.setattr(stored_series, "BLOCK_STEPS", 60)
    assert {name: dataset.raw(name) for name in SPLITS} == whole
    assert [len(pairs) for pairs in read_split(dataset.folder, "train")] == [10] * 7 + [5]


def test_windows_are_shuffled_over_all_blocks_and_each_comes_once(ingest, write, monkeypatch):
    dataset = ingest(write(y=COUNT))
    monkeypatch.setattr(stored_series, "BLOCK_STEPS", 60)
    monkeypatch.setattr(stored_series, "SIDE_BY_SIDE", 4)
    blocks = list(read_split(dataset.folder, "train", np.random.default_rng(0)))
    firsts = [pairs.source.padded()[:, 0, 0].tolist() for pairs in blocks]
    assert sorted(first for block in firsts for first in block) == [float(i) for i in range(1, 76)]
    assert max(map(len, firsts)) <= 10
    assert firsts != sorted(firsts)


def test_files_of_one_name_in_two_folders_are_counted_each_by_its_own_rows(ingest, tmp_path):
    """The first is longer, and its last row is rejected."""
    for folder, n in (("a", 90), ("b", 60)):
        (tmp_path / "in" / folder).mkdir(parents=True)
        rows = [str(i % 7) for i in range(n - 1)] + ["none" if folder == "a" else "1"]
        (tmp_path / "in" / folder / "x.csv").write_text("\n".join(["value", *rows]) + "\n")
    columns = {"source": "value", "target": "value"}
    dataset = ingest(tmp_path / "in", max_reject_rate=0.1, **columns)
    assert [one["read"] for one in dataset.account["series"]] == [90, 60]
    assert [one["rejected"] for one in dataset.account["series"]] == [1, 0]


def test_what_is_read_and_put_in_order_is_reported_with_its_counts(tmp_path):
    (tmp_path / "in").mkdir()
    for name in "ab":
        (tmp_path / "in" / f"{name}.csv").write_text("y\n" + "".join(f"{i}\n" for i in range(100)))
    (tmp_path / "dataset").mkdir()
    told = []
    data = FilesData(train=tmp_path / "in", **REALS, **WINDOW, **SETTLED)
    ingest_series(data, tmp_path / "dataset", report=lambda *what: told.append(what))
    assert told == [
        ("time steps read", 100, None), ("time steps read", 200, None), ("time steps put in order", 200, None),
    ]  # fmt: skip


@pytest.mark.parametrize("day", [0, 2])
def test_a_series_of_nulls_in_a_folder_is_rejected_and_the_others_are_learned_from(ingest, tmp_path, day):
    (tmp_path / "days").mkdir()
    for i in range(3):
        steps = pa.array([None] * 60 if i == day else [float(k) for k in range(60)], pa.float64())
        pq.write_table(pa.table({"y": steps}), tmp_path / "days" / f"{i}.parquet")
    dataset = ingest(tmp_path / "days", max_reject_rate=0.4)
    assert [one["rejected"] for one in dataset.account["series"]] == [60 * (i == day) for i in range(3)]
    assert dataset.account["reasons"] == {"source_null": 60}


@pytest.mark.parametrize("value", ["1e200", "-1.797e308"])
@pytest.mark.parametrize("relative", [False, True])
def test_a_number_whose_square_fits_no_64_bits_ends_the_run_and_is_named(ingest, write, value, relative):
    steps = list(COUNT)
    steps[40] = value
    path = write(x=COUNT, y=steps)
    said = failure(ingest, path, relative_to_last=relative)
    for part in ("row 41 of", "series.csv", "source_extreme", value, "column 'y'", "data.missing", "scale"):
        assert part in said
    dataset = ingest(path, max_reject_rate=0.02, relative_to_last=relative)
    assert dataset.account["reasons"] == {"source_extreme": 1}
    assert np.isfinite([dataset.codecs.source.deviation, dataset.codecs.target.deviation]).all()
    assert np.isfinite(dataset.scale).all()
    assert "of 100 rows" in failure(ingest, write("all.csv", y=[f"{step}e200" for step in COUNT]))


def test_numbers_that_look_like_marks_are_counted_once_a_time_step(ingest, write):
    """Not once a window, nor once a side; each column by itself."""
    steps = [100 + (i * 37 % 11) / 10 for i in range(100)]
    marked, once = list(steps), list(steps)
    marked[20] = marked[21] = marked[70] = -3.4e38
    once[30] = 1e30
    path = write(y=marked, z=once)
    dataset = ingest(path, source=["y", "z"], target="y")
    assert dataset.account["sentinels"] == [{"column": "y", "value": -3.4e38, "times": 3}]
    assert (
        ingest(
            write("integers.csv", y=[i % 5 for i in range(100)]), source_encoding="integers", target_encoding="integers"
        ).account["sentinels"]
        == []
    )


def test_fractions_of_short_series_that_give_no_window_are_told_with_those_that_would(ingest, write, tmp_path):
    """20 files of 9 to 40 rows: a tenth of the longest is less than a horizon, however many rows there are in all."""
    for i, n in enumerate(np.linspace(9, 40, 20).astype(int)):
        write(f"many/{i}.csv", y=[100.0 * i + k for k in range(n)])
    window = {"history": 14, "horizon": 7}
    said = failure(ingest, tmp_path / "many", **window)
    for part in (
        "data.validation_fraction = 0.1 of 20 series of 9 to 40 time step(s) is 1 to 4 of them",
        "too few for a horizon of 7",
        "for the longest of them data.validation_fraction = 0.17 and data.test_fraction = 0.17 would do",
    ):
        assert part in said
    dataset = ingest(tmp_path / "many", validation_fraction=0.17, test_fraction=0.17, **window)
    assert min(dataset.account["splits"].values()) >= 1


def test_without_validation_only_the_test_fraction_is_advised(ingest, write):
    said = failure(ingest, write(y=COUNT[:12]), validation_fraction=0)
    assert "no window falls into the test split: data.test_fraction = 0.1 of a series of 12" in said
    assert "for it data.test_fraction = 0.13 would do" in said
    assert ingest(write(y=COUNT[:12]), validation_fraction=0, test_fraction=0.13).facts.evaluation_rows


def test_a_fraction_that_leaves_training_too_little_is_told(ingest, write):
    said = failure(ingest, write(y=COUNT[:20]), validation_fraction=0.4, test_fraction=0.4)
    assert "what data.validation_fraction = 0.4 and data.test_fraction = 0.4 leave of a series of 20" in said
    assert "is 4 of them, too few for a history of 4 and a horizon of 2" in said
    assert "would do" in said


def test_a_series_of_its_own_that_is_too_short_is_told_with_its_length(ingest, write):
    said = failure(ingest, write(y=COUNT), test=write("test.csv", y=COUNT[:5]))
    for part in ("test.csv: no window falls into the test split", "a series of 5", "too short for a history of 4"):
        assert part in said


def test_where_steps_are_enough_and_rows_cannot_be_used_these_are_told(ingest, write):
    steps = [value if i % 2 else "x" for i, value in enumerate(COUNT)]
    said = failure(ingest, write(y=steps), max_reject_rate=0.6)
    assert "holds one of the 50 row(s) that cannot be used" in said
