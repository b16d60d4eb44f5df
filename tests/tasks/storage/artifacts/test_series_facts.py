"""What a bundle says of the series of training: anything else than this project writes is refused by its file's name."""

import json
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.seq2seq.errors import ArtifactError
from tasks.seq2seq.settings.data import FilesData
from tasks.seq2seq.settings.rules import check_experiment
from tasks.storage.artifacts.series_facts import check_series_facts, read_series_facts
from tasks.storage.artifacts.stored_series import SERIES, TABLE
from tasks.storage.ingest.series import ingest_series
from tests.helpers.settled import SETTLED

N_NUMBERS = 4  # three stores, and one for those that are new


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """A folder with the two files of a panel, and the experiment that they were made by."""
    folder = tmp_path_factory.mktemp("sound")
    first = np.datetime64("2024-01-01")
    rows = [f"s{store},{first + day},{100 * store + day}" for store in range(3) for day in range(40)]
    (folder / "panel.csv").write_text("\n".join(["store,day,sales", *rows]) + "\n")
    data = {
        "train": folder / "panel.csv", "source": "sales", "source_encoding": "vectors", "target_encoding": "vectors",
        "history": 4, "horizon": 2, "time": "day", "series": "store", "scale": "series", **SETTLED,
    }  # fmt: skip
    experiment = check_experiment({"data": data, "model": {"series_embedding": 2}})
    assert isinstance(experiment.data, FilesData)
    ingest_series(experiment.data, folder, numbered=True)
    return folder, experiment


def described(**changes):
    """Changes what `series.json` says."""

    def change(folder):
        content = json.loads((folder / SERIES).read_text())
        (folder / SERIES).write_text(json.dumps({**content, **changes}))

    return change


def time(**changes):
    """Changes what it says of time."""
    return described(time={"kind": "date", "zone": None, "step": "1d", **changes})


def column(name, make):
    """Puts another column in place of one of the table."""

    def change(folder):
        table = pq.read_table(folder / TABLE)
        made = make(table[name])
        at = table.column_names.index(name)
        pq.write_table(table.remove_column(at) if made is None else table.set_column(at, name, made), folder / TABLE)

    return change


def lists(value):
    return lambda rows: pa.array([[value]] * len(rows), pa.list_(pa.float64()))


def one_of_another_length(rows):
    return pa.array([[1.0], [1.0, 2.0], [1.0]][: len(rows)], pa.list_(pa.float64()))


HOSTILE = {
    "no table": (lambda folder: (folder / TABLE).unlink(), rf"has no {TABLE}"),
    "no description": (lambda folder: (folder / SERIES).unlink(), rf"has no {SERIES}"),
    "neither": (lambda folder: [(folder / name).unlink() for name in (SERIES, TABLE)], f"no {SERIES} and no {TABLE}"),
    "a table that is none": (lambda folder: (folder / TABLE).write_bytes(b"PAR1 and more PAR1"), f"{TABLE} cannot"),
    "a table cut short": (
        lambda folder: (folder / TABLE).write_bytes((folder / TABLE).read_bytes()[:-100]), f"{TABLE} cannot",
    ),
    "a description that is a list": (lambda folder: (folder / SERIES).write_text("[]"), f"{SERIES} cannot be read"),
    "a deep description": (lambda folder: (folder / SERIES).write_text("[" * 50_000), f"{SERIES} cannot be read"),
    "no time": (described(time=None), f"{SERIES} does not follow"),
    "a step of nothing": (time(step="0d"), "'step' is '0d': '0d' is not a step"),
    "a zone of nowhere": (time(zone="Nowhere/At_all"), "'zone' is 'Nowhere/At_all'.*not a time zone"),
    "a zone that acts on a terminal": (time(zone="\x1b[2J"), r"'zone' is .*\\x1b"),
    "a kind of its own": (time(kind="sundial"), "'kind' is 'sundial'"),
    "more about time": (time(more=1), "'more' is"),
    "kinds of no column": (described(categories={"region": ["a"]}), "its categories are of"),
    "kinds that are numbers": (described(categories={"region": [1]}), f"{SERIES} cannot be read"),
    "more of each series": (
        column("static", lambda rows: pa.array([[1.0, 1.0]] * len(rows), pa.list_(pa.float64()))), "'static' is not of 1",
    ),
    "no ids": (column("id.0", lambda _: None), f"{TABLE} does not follow: it has 0 columns of ids"),
    "ids that are numbers": (column("id.0", lambda rows: pa.array(range(len(rows)))), "'id.0' is of type int64"),
    "an id that is null": (
        column("id.0", lambda rows: pa.array([None] * len(rows), pa.string())), "'id.0' is of type string, with 3 nulls"
    ),
    "no mean": (column("source_mean", lambda _: None), "'source_mean' is not of 1 numbers"),
    "a mean that is infinite": (column("source_mean", lists(np.inf)), "'source_mean' is not of as many finite numbers"),
    "means of several lengths": (column("target_mean", one_of_another_length), "'target_mean' is not of as many"),
    "a mean that is text": (column("target_mean", lambda rows: pa.array(["1"] * len(rows))), "'target_mean' is not of"),
    "a null mean": (column("target_mean", lambda rows: pa.array([None] * len(rows), pa.list_(pa.float64()))),
                    "'target_mean' is not of"),
    "a scale of 0": (column("source_scale", lists(0.0)), "'source_scale' holds a number that is not above 0"),
    "a scale below 0": (column("target_scale", lists(-1.0)), "'target_scale' holds a number that is not above 0"),
    "a number of no series": (column("static", lists(4.0)), "not a number of one of 4 series"),
    "a number below 0": (column("static", lists(-1.0)), "not a number of one of 4 series"),
    "half a number": (column("static", lists(0.5)), "not a number of one of 4 series"),
}  # fmt: skip


def test_what_this_project_writes_is_read(sound):
    folder, experiment = sound
    check_series_facts(folder, experiment, N_NUMBERS)
    found = read_series_facts(folder)
    assert (str(found.time.axis), found.table["id.0"].to_pylist()) == ("1d", ["s0", "s1", "s2"])


@pytest.mark.parametrize("name", HOSTILE)
def test_anything_else_is_refused_in_a_line_that_names_the_file(sound, tmp_path, name):
    folder, experiment = sound
    for file in (SERIES, TABLE):
        shutil.copyfile(folder / file, tmp_path / file)
    change, expected = HOSTILE[name]
    change(tmp_path)
    with pytest.raises(ArtifactError, match=expected) as error:
        check_series_facts(tmp_path, experiment, N_NUMBERS)
    assert str(tmp_path) in str(error.value)
    assert str(error.value).isprintable()


def test_a_bundle_of_before_whose_model_needs_nothing_of_series_has_neither_file(tmp_path):
    data = {"train": tmp_path / "a.csv", "source_encoding": "vectors", "target_encoding": "vectors"}
    check_series_facts(tmp_path, check_experiment({"data": {**data, "history": 4, "horizon": 2}}), 0)
