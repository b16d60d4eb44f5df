"""Series by their ids and their time: sorted, checked, with gaps split or filled, whatever order their rows come in."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.seq2seq.errors import DataError
from tasks.seq2seq.settings.data import FilesData
from tasks.storage.artifacts.dataset import read_codecs, read_evaluation, read_split
from tasks.storage.artifacts.stored_series import StoredSeries
from tasks.storage.files.json_files import load_json
from tasks.storage.ingest import staged_steps
from tasks.storage.ingest.series import ingest_series
from tests.helpers.settled import SETTLED

PANEL = {
    "source_encoding": "vectors", "target_encoding": "vectors", "source": "sales", "history": 4, "horizon": 2,
    "time": "day", "series": "store",
}  # fmt: skip
FIRST = np.datetime64("2024-01-01")


def panel(stores=3, days=40, first=FIRST):
    """Rows of stores; the sales of store s on day d are 1000 s + d."""
    return [(f"s{store}", str(first + day), 1000.0 * store + day) for store in range(stores) for day in range(days)]


class Made:
    def __init__(self, folder, facts):
        self.folder, self.facts = folder, facts
        self.account, self.codecs = load_json(folder / "account.json"), read_codecs(folder)
        self.rejects = pq.read_table(folder / "rejects.parquet").to_pylist()

    def windows(self, *splits):
        """Each window as its history and horizon, of one feature."""
        return sorted(
            np.concatenate([pairs.source[i][:, 0], pairs.target[i][:, 0]]).tolist()
            for split in splits or ("train", "validation")
            for pairs in read_split(self.folder, split)
            for i in range(len(pairs))
        )


@pytest.fixture
def ingest(tmp_path):
    """Makes a dataset of rows; its account must add up, by series and in all."""
    made = []

    def of_rows(rows, columns=("store", "day", "sales"), **settings):
        path = tmp_path / f"{len(made)}.csv"
        path.write_text("\n".join([",".join(columns), *(",".join(map(str, row)) for row in rows)]) + "\n")
        folder = tmp_path / f"dataset-{len(made)}"
        made.append(folder)
        folder.mkdir()
        numbered, train = settings.pop("numbered", False), settings.pop("train", path)
        data = FilesData(train=train, **{**PANEL, **SETTLED, **settings})
        facts = ingest_series(data, folder, numbered=numbered)
        account = load_json(folder / "account.json")
        for one in (account, *account["series"]):
            assert one["read"] == one["windows"] + one["history_only"] + one["rejected"]
            assert min(one["windows"], one["history_only"], one["rejected"]) >= 0
        assert account["windows"] == facts.train_rows + facts.validation_rows + facts.evaluation_rows
        assert account["rejected"] == sum(account["reasons"].values())
        return Made(folder, facts)

    return of_rows


def refused(ingest, *arguments, **settings):
    with pytest.raises(DataError) as error:
        ingest(*arguments, **settings)
    return str(error.value)


def gapless(window):
    return window == [window[0] + i for i in range(len(window))]


def test_the_order_of_rows_changes_nothing_but_is_told(ingest):
    """Newest first, shuffled, series by series: the same windows."""
    rows = panel()
    shuffled = [rows[i] for i in np.random.default_rng(0).permutation(len(rows))]
    plain, newest, mixed = ingest(rows), ingest(rows[::-1]), ingest(shuffled)
    assert plain.windows() == newest.windows() == mixed.windows()
    assert all(map(gapless, plain.windows()))
    assert [one.account["time"]["late"] for one in (plain, newest)] == [0, 3 * 39]
    assert mixed.account["time"]["late"] > 0
    assert plain.codecs == newest.codecs == mixed.codecs
    assert plain.account["time"] | {"late": 0} == {
        "kind": "date", "zone": None, "step": "1d", "late": 0, "merged": 0, "missing": 0, "gaps": 0, "gap_steps": 0,
        "filled": 0,
    }  # fmt: skip


def test_many_buckets_make_the_same_windows_as_one(ingest, monkeypatch):
    rows = panel(stores=7)
    whole = ingest(rows)
    monkeypatch.setattr(staged_steps, "BUCKET_ROWS", 50)
    parts = ingest(rows)
    assert not list(parts.folder.glob("staged*"))
    assert parts.windows() == whole.windows()
    assert parts.codecs.source.mean == pytest.approx(whole.codecs.source.mean)
    assert {name: parts.account[name] for name in ("windows", "history_only", "repeats", "splits")} == {
        name: whole.account[name] for name in ("windows", "history_only", "repeats", "splits")
    }
    assert [one["windows"] for one in parts.account["series"]] == [33] * 7


def test_a_panel_interleaved_over_files_and_buckets_makes_the_windows_of_a_sorted_one(ingest, monkeypatch, tmp_path):
    """Day by day, newest first, every third row in another file of another format, and in as many buckets as series."""
    rows = [row for row in panel(stores=7) if not (row[0] == "s3" and row[1] in ("2024-01-11", "2024-02-05"))]
    whole = ingest(rows, numbered=True)
    mixed = sorted(rows, key=lambda row: row[1], reverse=True)
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.csv").write_text("store,day,sales\n" + "".join(f"{a},{b},{c}\n" for a, b, c in mixed[::3]))
    names = ("store", "day", "sales")
    (folder / "b.jsonl").write_text(
        "".join(json.dumps(dict(zip(names, row, strict=True))) + "\n" for row in mixed[1::3])
    )
    pq.write_table(pa.table(dict(zip(names, zip(*mixed[2::3], strict=True), strict=True))), folder / "c.parquet")
    monkeypatch.setattr(staged_steps, "BUCKET_ROWS", 3)
    parts = ingest(rows, train=folder, numbered=True)
    assert parts.account["time"]["late"] > 200
    for split in ("train", "validation"):
        assert parts.windows(split) == whole.windows(split)
    assert targets(parts) == targets(whole)
    assert parts.account["time"] | {"late": 0} == whole.account["time"]
    by_store = [
        {tuple(one["series"]): one["windows_by_split"] for one in made.account["series"]} for made in (parts, whole)
    ]
    assert by_store[0] == by_store[1]


def targets(made):
    """Each test window by its series and the stamp of its origin."""
    return sorted(
        (block.beside["store"][i].as_py(), block.beside["origin_time"][i].as_py(), block.pairs.target[i].tolist())
        for block in read_evaluation(made.folder)
        for i in range(len(block.pairs))
    )


def test_no_window_crosses_a_gap_and_its_steps_are_counted(ingest):
    rows = [row for row in panel() if not (row[0] == "s1" and row[1] in ("2024-01-11", "2024-01-12"))]
    made = ingest(rows)
    assert all(map(gapless, made.windows()))
    assert (made.account["time"]["gaps"], made.account["time"]["gap_steps"]) == (1, 2)
    assert {value % 1000 for window in made.windows() for value in window if value // 1000 == 1}.isdisjoint({10, 11})


@pytest.mark.parametrize(("fill", "expected"), [("previous", [9, 9]), ("linear", [10, 11]), ("zero", [0, 0])])
def test_gaps_are_filled_marked_and_never_forecast(ingest, fill, expected):
    rows = [row for row in panel(1) if row[1] not in ("2024-01-11", "2024-01-12")]
    made = ingest(rows, gaps="fill", fill=fill)
    assert made.account["time"]["filled"] == 2
    marked = {}
    for pairs in read_split(made.folder, "train"):
        for i in range(len(pairs)):
            marked |= {tuple(step): None for step in pairs.source[i].tolist() if step[1]}
            assert not {10.0, 11.0} & set(pairs.target[i][:, 0].tolist())
    assert sorted({step[0] for step in marked}) == sorted(set(map(float, expected)))
    assert made.codecs.source.mean[1:] == (0.0,)
    assert made.codecs.target.features == 1


def test_a_missing_value_is_a_gap_and_no_reject(ingest):
    rows = [(store, day, "" if day == "2024-01-11" else value) for store, day, value in panel(1)]
    made = ingest(rows)
    assert (made.account["rejected"], made.account["time"]["missing"], made.account["time"]["gaps"]) == (0, 1, 1)
    assert all(map(gapless, made.windows()))
    assert 10.0 not in {value for window in made.windows() for value in window}
    filled = ingest(rows, gaps="fill", fill="linear")
    assert filled.account["time"]["filled"] == 1
    assert 10.0 in {step for pairs in read_split(filled.folder, "train") for step in pairs.source.values[:, 0]}


def test_a_gap_longer_than_the_history_stays_one(ingest):
    rows = [row for row in panel(1) if not "2024-01-11" <= row[1] <= "2024-01-15"]
    made = ingest(rows, gaps="fill")
    assert (made.account["time"]["gap_steps"], made.account["time"]["filled"]) == (5, 0)


def test_rows_of_one_stamp_are_rejected_but_for_the_first_or_become_one(ingest):
    rows = [*panel(1), ("s0", "2024-01-05", 104.0), ("s0", "2024-01-05", 204.0)]
    said = refused(ingest, rows)
    assert "2 of 42 rows" in said
    assert "time_repeated" in said
    made = ingest(rows, max_reject_rate=0.1)
    assert made.account["reasons"] == {"time_repeated": 2}
    assert [(row["row"], json.loads(row["content"])) for row in made.rejects] == [
        (41, {"day": "2024-01-05", "series": "s0", "sales": 104.0}),
        (42, {"day": "2024-01-05", "series": "s0", "sales": 204.0}),
    ]
    assert all(map(gapless, made.windows()))
    merged = ingest(rows, duplicates_at="mean")
    assert (merged.account["rejected"], merged.account["time"]["merged"]) == (0, 2)
    assert 104.0 in {value for window in merged.windows() for value in window}


def test_a_reject_of_time_says_the_setting_whose_file_it_is_of_and_counts_against_its_rows(ingest, tmp_path):
    (tmp_path / "test.csv").write_text(
        "store,day,sales\n" + "".join(",".join(map(str, row)) + "\n" for row in [*panel(1), ("s0", "2024-01-05", 9.0)])
    )
    made = ingest(panel(), test=tmp_path / "test.csv", max_reject_rate=0.03)
    assert [(row["setting"], row["file"], row["reason"]) for row in made.rejects] == [
        ("test", "test.csv", "time_repeated")
    ]
    said = refused(ingest, panel(), test=tmp_path / "test.csv", max_reject_rate=0.02)
    assert f"{tmp_path / 'test.csv'}: 1 of 41 rows cannot be used" in said


def test_rows_without_a_time_and_rows_out_of_it_are_held_against_one_rate(ingest):
    """Two of each, of 44: neither alone is more than a twentieth."""
    rows = [*panel(1), *[("s0", "soon", 1.0)] * 2, *[("s0", "2024-01-05", 9.0)] * 2]
    said = refused(ingest, rows, max_reject_rate=0.05)
    assert "4 of 44 rows cannot be used" in said
    assert "time_repeated 2, time_type 2" in said


def test_stamps_off_the_step_are_rejects(ingest):
    rows = [(*row[:1], f"{row[1]}T00:00", row[2]) for row in panel(2)]
    rows[50] = ("s1", "2024-01-11T07:00", 1010.0)
    made = ingest(rows, max_reject_rate=0.1)
    assert made.account["reasons"] == {"time_off_step": 1}
    assert [row["row"] for row in made.rejects] == [51]
    assert made.account["time"]["step"] == "1d"


def test_a_step_that_is_set_is_taken_and_one_of_another_kind_refused(ingest):
    rows = [row for row in panel(1) if int(row[1][-2:]) % 2]
    assert ingest(panel(1), step="1d").account["time"]["gaps"] == 0
    assert refused(ingest, rows, step="1d").count("gap(s) in data.time")
    said = refused(ingest, panel(1), step="1")
    assert "data.step is 1, but column 'day' holds dates or time stamps" in said
    assert "no series has two rows of different times" in refused(ingest, panel(40, 1))


def test_months_of_any_length_are_steps(ingest):
    months = np.arange("2020-01", "2024-01", dtype="M8[M]").astype(str)
    made = ingest([("s", month, float(i)) for i, month in enumerate(months)])
    assert made.account["time"]["step"] == "1mo"
    assert made.account["time"]["gaps"] == 0
    assert load_json(made.folder / "series.json")["season"] == 12


def test_hours_over_both_clock_changes_are_one_series(ingest):
    """As a place's clock shows them: one hour is missing in spring, one is there twice in autumn."""
    hours = pa.array(np.arange("2024-03-30T23:00", "2024-11-01", dtype="M8[h]").astype("M8[us]"))
    local = pa.compute.local_timestamp(hours.cast(pa.timestamp("us", "Europe/Berlin"))).cast(pa.string()).to_pylist()
    rows = [("s", stamp, float(i)) for i, stamp in enumerate(local)]
    made = ingest(rows, time_zone="Europe/Berlin")
    assert (made.account["time"]["step"], made.account["time"]["gaps"], made.account["rejected"]) == ("1h", 0, 0)
    assert all(map(gapless, made.windows()))
    naive = ingest(rows, max_reject_rate=0.01)
    assert (naive.account["time"]["gaps"], naive.account["reasons"]) == (1, {"time_repeated": 1})


def test_each_series_is_split_by_its_own_time_and_one_that_stops_early_has_its_own_test(ingest):
    rows = [*panel(1, 40), *(("early", str(FIRST + day), 5000.0 + day) for day in range(20))]
    made = ingest(rows)
    tests = [
        (block.beside["store"][i].as_py(), block.beside["row"][i].as_py())
        for block in read_evaluation(made.folder)
        for i in range(len(block.pairs))
    ]
    assert tests == [("s0", 36), ("s0", 37), ("s0", 38), ("early", 58)]
    stamps = StoredSeries(made.folder).stamps(StoredSeries(made.folder).lasts("test"), ahead=1)
    assert stamps.view("M8[us]").astype("M8[D]").astype(str).tolist() == [
        "2024-02-06", "2024-02-07", "2024-02-08", "2024-01-19",
    ]  # fmt: skip


def test_ids_may_be_of_several_columns_and_series_of_several_files(ingest, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    for month, days in (("a", range(20)), ("b", range(20, 40))):
        rows = [f"{region},{store},{FIRST + day},{value + day}" for region, store, value in
                (("n", 1, 0), ("n", 2, 1000), ("s", 1, 2000)) for day in days]  # fmt: skip
        (folder / f"{month}.csv").write_text("\n".join(["region,store,day,sales", *rows]) + "\n")
    made = ingest([("s", "2024-01-01", 1)], series=["region", "store"], train=folder)
    assert [one["series"] for one in made.account["series"]] == [["n", "1"], ["n", "2"], ["s", "1"]]
    assert [one["read"] for one in made.account["series"]] == [40] * 3
    assert made.account["time"]["gaps"] == 0
    assert [0.0 + i for i in range(17, 23)] in made.windows()


def test_with_time_and_no_ids_each_file_is_a_series(ingest, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    for name in "ab":
        rows = [f"{FIRST + day},{day if name == 'a' else 1000 + day}" for day in reversed(range(40))]
        (folder / f"{name}.csv").write_text("\n".join(["day,sales", *rows]) + "\n")
    made = ingest([("s", "2024-01-01", 1)], series=None, train=folder)
    assert [one["file"] for one in made.account["series"]] == ["a.csv", "b.csv"]
    assert all(map(gapless, made.windows()))


def test_rows_without_an_id_or_a_time_are_rejects(ingest):
    rows = panel(2)
    rows[3], rows[50] = ("", *rows[3][1:]), (rows[50][0], "soon", rows[50][2])
    made = ingest(rows, max_reject_rate=0.1)
    assert made.account["reasons"] == {"series_null": 1, "time_type": 1}
    assert [(row["row"], row["reason"]) for row in made.rejects] == [(4, "series_null"), (51, "time_type")]
    assert [one["rejected"] for one in made.account["series"]] == [0, 1]


def test_ids_of_mixed_type_are_told_apart_by_what_they_say(ingest, tmp_path):
    path = tmp_path / "in.jsonl"
    lines = [json.dumps({"store": [5, "5", "x"][i % 3], "day": str(FIRST + i), "sales": i}) for i in range(60)]
    path.write_text("\n".join(lines) + "\n")
    made = ingest([("s", "2024-01-01", 1)], train=path, step="1d", history=1, horizon=1, validation_fraction=0)
    assert [one["series"] for one in made.account["series"]] == [["5"], ["x"]]
    assert [one["read"] for one in made.account["series"]] == [40, 20]


@pytest.mark.parametrize("scale", ["series", "window"])
def test_large_and_small_series_look_alike_where_they_are_scaled(ingest, scale):
    rng = np.random.default_rng(0)
    shape = rng.normal(size=60)
    rows = [(f"s{i}", str(FIRST + day), 10.0**i * (shape[day] + 5)) for i in range(5) for day in range(60)]
    made = ingest(rows, scale=scale)
    (block,) = read_evaluation(made.folder)
    values, n = block.pairs.source.padded()[..., 0], len(block.pairs) // 5
    for i in range(1, 5):
        assert values[i * n : (i + 1) * n] == pytest.approx(values[:n])
    centre, spread = (np.array(block.beside[name].to_pylist())[:, 0] for name in ("centre", "scale"))
    truth = block.pairs.target.padded()[..., 0] * spread + centre
    assert truth[-1].tolist() == pytest.approx([10.0**4 * (value + 5) for value in shape[-2:]])


def test_constant_series_do_not_divide_by_0_and_series_of_nothing_are_history(ingest):
    rows = [*panel(1), *(("flat", str(FIRST + day), 7.0) for day in range(40)),
            *(("none", str(FIRST + day), "") for day in range(40)), ("one", "2024-01-01", 3.0)]  # fmt: skip
    made = ingest(rows, scale="series")
    assert [one["windows"] for one in made.account["series"]][2:] == [0, 0]
    assert made.account["time"]["missing"] == 40
    for split in ("train", "validation"):
        for pairs in read_split(made.folder, split):
            assert np.isfinite(pairs.source.values).all()
    assert np.isfinite(made.codecs.source.deviation).all()


REGIONS = {"s0": "south", "s1": " north", "s2": "south"}


def of_regions(rows):
    return [(*row, REGIONS[row[0]], int(row[0][1]) + 1) for row in rows]


WITH_REGION = ("store", "day", "sales", "region", "size")


@pytest.mark.parametrize("order", [1, -1])
def test_kinds_of_series_are_features_of_0_and_1_in_the_order_of_their_names(ingest, order):
    made = ingest(of_regions(panel())[::order], WITH_REGION, static="size", static_categories="region", numbered=True)
    said = {
        (source[0, 0] // 1000, *source[0, 1:4])
        for pairs in read_split(made.folder, "train")
        for source in pairs.source.padded()
    }
    assert said == {(0, 1, 0, 1), (1, 2, 1, 0), (2, 3, 0, 1)}  # size, north, south
    assert made.codecs.source.features == 5
    assert made.codecs.source.deviation[2:4] == (1.0, 1.0)
    assert load_json(made.folder / "series.json")["categories"] == {"region": ["north", "south"]}


def test_a_kind_that_only_the_test_has_is_none_of_those_of_training(ingest, tmp_path):
    (tmp_path / "test.csv").write_text(
        "store,day,sales,region\n" + "".join(f"s1,{FIRST + day},{day},west\n" for day in range(20))
    )
    rows = [row[:4] for row in of_regions(panel())]
    made = ingest(rows, WITH_REGION[:4], static_categories="region", test=tmp_path / "test.csv")
    (block,) = read_evaluation(made.folder)
    assert (block.pairs.source.padded()[..., 1:] == 0).all()


def test_kinds_that_are_missing_change_or_are_too_many_are_told(ingest):
    rows = [row[:4] for row in of_regions(panel())]
    made = ingest([*rows[:-1], (*rows[-1][:3], "")], WITH_REGION[:4], static_categories="region", max_reject_rate=0.1)
    assert made.account["reasons"] == {"category_null": 1}
    said = refused(ingest, [*rows[:-1], (*rows[-1][:3], "west")], WITH_REGION[:4], static_categories="region")
    assert "the columns ['region'] of the series 's2' change with time" in said
    many = [(*row[:3], f"r{i}") for i, row in enumerate(panel(1, 1_001))]
    assert "column 'region' of data.static_categories has more than 1,000 different values" in refused(
        ingest, many, WITH_REGION[:4], static_categories="region"
    )


def test_what_is_the_same_for_all_steps_stays_so_where_steps_are_filled_with_0_or_added_up(ingest):
    rows = of_regions([row for row in panel() if row[1] != "2024-01-11"])
    rows += [(store, "2024-01-05", 7.0, *rest) for store, _, _, *rest in rows[:1]]
    made = ingest(
        rows, WITH_REGION, gaps="fill", fill="zero", duplicates_at="sum", static="size", static_categories="region"
    )
    assert (made.account["time"]["filled"], made.account["time"]["merged"]) == (3, 1)
    assert made.codecs.source.mean[2] == pytest.approx(2.0)


def test_sources_say_which_series_they_are_of_and_a_holdout_says_it_in_a_models_own_numbers(ingest, tmp_path):
    """Series that another dataset has are told by its numbers; one that it does not have by 0."""
    first = ingest(panel(3), numbered=True)
    assert first.facts.series == 4
    assert first.codecs.source.deviation[-1] == 1.0
    for pairs in read_split(first.folder, "train"):
        for source in pairs.source.padded():
            assert source[:, 1].tolist() == [source[0, 0] // 1000 + 1] * 4
    other = ingest(panel(3)[:40:-1], numbered=True)  # without s0, and s2 the first
    numbers = {
        (block.pairs.source[i][0, 0] // 1000, block.pairs.source[i][0, 1])
        for block in read_evaluation(first.folder, other.folder)
        for i in range(len(block.pairs))
    }
    assert numbers == {(0, 0), (1, 2), (2, 1)}


def test_a_test_span_inside_a_gap_is_told(ingest):
    rows = [*panel(1, 30), ("s0", str(FIRST + 59), 59.0)]
    said = refused(ingest, rows)
    assert "no window falls into the validation split" in said
    assert "lies across one of the 1 gap(s) in data.time" in said
    assert "data.gaps" in said


@pytest.mark.seconds
def test_100_000_series_of_3_rows_are_too_short_and_say_what_would_do(ingest):
    said = refused(ingest, panel(100_000, 3))
    assert "of 100000 series of 3 time step(s)" in said
    assert "a series needs 10 time steps or more to have a window in each split" in said


@pytest.mark.parametrize("form", ["parquet", "arrow", "npz", "jsonl"])
def test_every_format_holds_panels(ingest, form, tmp_path):
    rows, path = panel(2), tmp_path / f"in.{form}"
    store, day, sales = (list(column) for column in zip(*rows, strict=True))
    stamps = np.array(day, "M8[D]")
    if form == "npz":
        np.savez(path, store=np.array(store), day=stamps, sales=np.array(sales))
    elif form == "jsonl":
        path.write_text("\n".join(json.dumps(dict(zip(("store", "day", "sales"), row, strict=True))) for row in rows))
    else:
        table = pa.table({"store": pa.array(store).dictionary_encode(), "day": stamps, "sales": sales})
        if form == "parquet":
            pq.write_table(table, path)
        else:
            with pa.ipc.new_file(path, table.schema) as writer:
                writer.write_table(table)
    made = ingest([("s", "2024-01-01", 1)], train=path)
    assert made.windows() == ingest(rows).windows()
    assert made.account["time"]["step"] == "1d"
