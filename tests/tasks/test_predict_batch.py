"""The steps of batch prediction, called without a server: accounts, resuming, independence, columns."""

import hashlib
import importlib.metadata
import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasks.predict_batch import plan_batch, predict_chunk
from tasks.prediction.batch_model import BatchModel, find_model, open_file
from tasks.prediction.loaded_model import Serving, ServingModel, load_serving
from tasks.prediction.queue import ChunkFiles
from tasks.seq2seq.errors import ArtifactError, DataError, SettingsError
from tasks.storage.artifacts.keras_models import load_keras_models
from tasks.storage.outputs.accounts import Account
from tasks.storage.outputs.chunk_files import read_chunk
from tasks.storage.outputs.chunks import tally_of, with_tally
from tasks.storage.store.artifact_store import Store
from tests.helpers.batch_models import LONGEST, SYMBOLS, batch_models, integer_pairs
from tests.helpers.batch_runs import (
    HereAndNow,
    Killed,
    account_of,
    carry_out,
    check_account,
    column,
    contents,
    predict,
    report,
    rows_of,
    settings_of,
)
from tests.helpers.codecs import as_vocabulary

BEAM = {"method": "beam", "beam_width": 4, "n_best": 3}
METHODS = {"greedy": {"method": "greedy"}, "beam": BEAM, "sample": {"method": "sample", "seed": 5}}


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return batch_models(tmp_path_factory).need("integers")


@pytest.fixture(scope="module")
def rows():
    """400 rows with a number each, a few with symbols that training has not seen."""
    source, target = integer_pairs(400, seed=1)
    for i in range(0, 400, 40):
        source[i] = [*source[i], 77]
    return {"id": list(range(400)), "source": source, "target": target}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "in").mkdir()
    return tmp_path / "in"


def write(path, rows, order=None):
    """Rows in the format of the path's suffix."""
    n = len(rows["source"])
    records = [{name: values[i] for name, values in rows.items()} for i in (range(n) if order is None else order)]
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(record) + "\n" for record in records))
    elif path.suffix in (".csv", ".tsv"):
        mark = {".csv": ",", ".tsv": "\t"}[path.suffix]
        lines = [mark.join(rows), *(mark.join(map(_text, record.values())) for record in records)]
        path.write_text("\n".join(lines) + "\n")
    elif path.suffix == ".arrow":
        table = pa.Table.from_pylist(records)
        with pa.ipc.new_file(path, table.schema) as writer:
            writer.write_table(table)
    else:
        pq.write_table(pa.Table.from_pylist(records), path, row_group_size=150)
    return path


def _text(value):
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def by_id(path):
    """What was predicted of each row, by its number."""
    return {int(row["id"]): row for row in rows_of(path)}


def assert_alike(one, other):
    """The same tokens and the same scores, to the last bit of their 32, which text writes in fewer digits than 64."""
    assert one["prediction"] == other["prediction"]
    assert np.float32(one["log_probability"]) == np.float32(other["log_probability"])
    assert one["n_unknown"] == other["n_unknown"]
    for mine, its in zip(one.get("n_best", []), other.get("n_best", []), strict=True):
        assert mine["prediction"] == its["prediction"]
        assert np.float32(mine["log_probability"]) == np.float32(its["log_probability"])
        assert np.float32(mine["score"]) == np.float32(its["score"])


class Threads(HereAndNow):
    """Several tasks at once, as the real runner has them."""

    def __init__(self, workers):
        super().__init__()
        self._pool = ThreadPoolExecutor(workers)

    def submit(self, task, parameters):
        return self._pool.submit(task.fn, **parameters)


# Independence


@pytest.fixture(scope="module", params=METHODS)
def alone(request, store, rows, tmp_path_factory):
    """Each method's predictions of all rows in one chunk."""
    folder = tmp_path_factory.mktemp("alone")
    path = write(folder / "a.parquet", rows)
    predict(store, path, output=folder / "out", model="integers", decoding=METHODS[request.param])
    return METHODS[request.param], by_id(folder / "out" / "a.parquet.parquet")


def test_a_prediction_does_not_depend_on_order_chunks_workers_format_or_neighbours(alone, store, rows, tmp_path):
    decoding, expected = alone
    rng = np.random.default_rng(0)
    chosen = [(97, 1, "parquet"), (5, 4, "jsonl"), (64, 2, "csv"), (1000, 2, "arrow"), (33, 1, "tsv")]
    for number, (chunk_rows, workers, kind) in enumerate(chosen):
        order = rng.permutation(400)[: rng.integers(60, 400)]
        path = write(tmp_path / f"{number}.{kind}", rows, order)
        out = tmp_path / "out"
        predict(
            store, path, output=out, runner=Threads(workers), model="integers", decoding=decoding,
            chunk_rows=chunk_rows, workers=workers,
        )  # fmt: skip
        made = by_id(out / f"{path.name}.parquet")
        assert list(made) == order.tolist()
        for i, row in made.items():
            assert_alike(row, expected[i])


def test_runs_of_the_same_chunks_are_alike_to_the_last_byte_on_any_number_of_workers(alone, store, rows, tmp_path):
    decoding, _ = alone
    path = write(tmp_path / "a.parquet", rows)
    made = []
    for workers in (1, 2, 4):
        out = tmp_path / f"out{workers}"
        predict(
            store, path, output=out, runner=Threads(workers), model="integers", decoding=decoding, chunk_rows=70,
            workers=workers,
        )  # fmt: skip
        made.append(contents(out))
    assert made[0] == made[1] == made[2]
    assert len(made[0]) == 3


def test_more_rows_than_are_decoded_at_once_keep_their_order_and_predictions(alone, store, tmp_path):
    decoding, _ = alone
    source, _ = integer_pairs(1400, seed=11)
    path = write(tmp_path / "a.parquet", {"id": [*range(1400)], "source": source})
    made = {}
    for chunk_rows in (1400, 128):
        out = tmp_path / str(chunk_rows)
        predict(store, path, output=out, model="integers", decoding=decoding, chunk_rows=chunk_rows)
        made[chunk_rows] = by_id(out / "a.parquet.parquet")
    assert list(made[1400]) == list(made[128]) == [*range(1400)]
    for one, other in zip(made[1400].values(), made[128].values(), strict=True):
        assert_alike(one, other)


def test_a_row_alone_is_predicted_as_among_others(alone, store, rows, tmp_path):
    decoding, expected = alone
    out = tmp_path / "out"
    paths = [write(tmp_path / f"{i}.parquet", rows, [i]) for i in (0, 3, 399)]
    predict(store, *paths, output=out, model="integers", decoding=decoding)
    for i in (0, 3, 399):
        assert_alike(by_id(out / f"{i}.parquet.parquet")[i], expected[i])


def test_equal_sources_get_equal_samples_and_another_seed_draws_others(store, folder):
    path = write(folder / "a.parquet", {"id": [*range(300)], "source": [[1, 2, 3, 4, 5]] * 150 + [[8, 1]] * 150})
    for seed in (1, 2):
        predict(
            store, path, output=folder / f"out{seed}", model="integers", decoding={"method": "sample", "seed": seed}
        )
    first = column(folder / "out1" / "a.parquet.parquet", "prediction")
    assert len({tuple(row) for row in first[:150]}) == len({tuple(row) for row in first[150:]}) == 1
    assert first != column(folder / "out2" / "a.parquet.parquet", "prediction")


symbols = st.lists(st.sampled_from([*SYMBOLS, 77, -99]), min_size=1, max_size=LONGEST)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(symbols, min_size=1, max_size=20), st.integers(1, 7), st.randoms())
def test_any_rows_in_any_order_and_chunks_are_predicted_alike(store, tmp_path_factory, sources, chunk_rows, random):
    folder = tmp_path_factory.mktemp("any")
    order = [*range(len(sources))]
    rows = {"id": order[:], "source": sources}
    predict(store, write(folder / "a.parquet", rows), output=folder / "a", model="integers")
    random.shuffle(order)
    path = write(folder / "b.parquet", rows, order)
    predict(store, path, output=folder / "b", model="integers", chunk_rows=chunk_rows)
    one, other = by_id(folder / "a" / "a.parquet.parquet"), by_id(folder / "b" / "b.parquet.parquet")
    assert list(other) == order
    for i in order:
        assert_alike(one[i], other[i])


# Accounts and rejects

FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "null": ({"source": None, "target": [1]}, "source_null"),
    "null inside": ({"source": [1, None], "target": [1]}, "source_null_inside"),
    "empty": ({"source": [], "target": [1]}, "source_empty"),
    "too long": ({"source": [1] * (LONGEST + 1), "target": [1]}, "source_too_long"),
}


@pytest.mark.parametrize("chunk_rows", [1, 3, 1000])
def test_every_row_is_in_the_predictions_or_in_the_rejects_and_in_order(chunk_rows, store, folder):
    source, target = integer_pairs(20, seed=2)
    records = [{"id": i, "source": s, "target": t} for i, (s, t) in enumerate(zip(source, target, strict=True))]
    expected: list[Any] = [dict(record) for record in records]
    for i, (fault, reason) in zip((0, 7, 8, 19), FAULTS.values(), strict=True):
        records[i] = {"id": i, **fault}
        expected[i] = reason
    pq.write_table(pa.Table.from_pylist(records, schema=_PAIRS), folder / "a.parquet", row_group_size=6)
    jobs = predict(store, folder, output=folder.parent / "out", model="integers", chunk_rows=chunk_rows)
    check_account(folder.parent / "out", "a.parquet", expected)
    rejects = rows_of(folder.parent / "out" / "a.parquet.rejects.parquet")
    assert [json.loads(reject["content"]) for reject in rejects] == [records[i] for i in (0, 7, 8, 19)]
    assert jobs["a.parquet"].account.read == 20


_PAIRS = pa.schema(
    [("id", pa.int64()), ("source", pa.list_(pa.int64())), ("target", pa.list_(pa.int64()))]
)  # with nulls, whatever comes first


def test_a_file_of_rejects_alone_has_an_output_without_rows_but_with_its_columns(store, folder):
    (folder / "a.csv").write_text("id,source\n1,x\n2,\n3,1.5\n")
    predict(store, folder, output=folder.parent / "out", model="integers", decoding=BEAM)
    check_account(folder.parent / "out", "a.csv", ["source_type", "source_empty", "source_type"])
    table = pq.read_table(folder.parent / "out" / "a.csv.parquet")
    assert table.column_names == ["id", "source", "prediction", "log_probability", "n_unknown", "n_best"]
    (folder / "b.csv").write_text("id,source\n1,1 2\n")
    predict(store, folder, output=folder.parent / "out", model="integers", decoding=BEAM)
    assert pq.read_table(folder.parent / "out" / "b.csv.parquet").schema.equals(table.schema)


def test_rejects_are_there_even_if_there_are_none(store, folder):
    write(folder / "a.jsonl", {"source": [[1, 2]]})
    predict(store, folder, output=folder.parent / "out", model="integers")
    rejects = pq.read_table(folder.parent / "out" / "a.jsonl.rejects.parquet")
    assert len(rejects) == 0
    assert rejects.column_names == ["file", "row", "reason", "content"]


def _without_a_row(table):
    return table.slice(1)


def _with_a_row_counted_twice(table):
    return with_tally(table, tally_of(table).model_copy(update={"rows": len(table) + 1}))


@pytest.mark.parametrize("harm", [_without_a_row, _with_a_row_counted_twice])
def test_an_account_that_does_not_add_up_fails_its_file_alone_and_leaves_no_output(harm, store, folder, monkeypatch):
    write(folder / "a.jsonl", {"source": [[1, 2], [3]]})
    write(folder / "b.jsonl", {"source": [[1, 2]]})
    as_it_is = ServingModel.predict_chunk
    harmed = lambda self, table: harm(as_it_is(self, table)) if len(table) > 1 else as_it_is(self, table)  # noqa: E731
    monkeypatch.setattr(ServingModel, "predict_chunk", harmed)
    out = folder.parent / "out"
    jobs = predict(store, folder, output=out, model="integers")
    assert [job.action for job in jobs.values()] == ["fail", "predict"]
    assert not list(out.glob("a.jsonl.*"))
    assert (out / "b.jsonl.account.json").exists()


# Resuming


def test_a_killed_run_is_taken_up_and_ends_as_if_it_had_never_been_killed(store, rows, folder):
    write(folder / "a.parquet", rows)
    write(folder / "b.csv", rows)
    out = folder.parent / "out"
    with pytest.raises(Killed):
        predict(store, folder, output=out, model="integers", chunk_rows=50, runner=HereAndNow(dies_before=11))
    assert "a.parquet.account.json" in contents(out)
    assert "b.csv.account.json" not in contents(out)
    runner = HereAndNow()
    jobs = predict(store, folder, output=out, model="integers", chunk_rows=50, runner=runner)
    assert runner.n == 5
    assert (jobs["a.parquet"].action, jobs["b.csv"].action, jobs["b.csv"].n_resumed) == ("keep", "predict", 3)
    predict(store, folder, output=folder.parent / "never", model="integers", chunk_rows=50)
    assert contents(out) == contents(folder.parent / "never")
    assert [path.name for path in (out / ".work").iterdir() if path.is_dir()] == []


@pytest.mark.parametrize(
    "change",
    [
        {"decoding": {"method": "greedy", "max_length": 3}}, {"chunk_rows": 60}, {"token_log_probabilities": True},
    ],
    ids=lambda change: next(iter(change)),
)  # fmt: skip
def test_chunks_of_other_settings_are_not_taken_over(change, store, rows, folder):
    path, out = write(folder / "a.parquet", rows), folder.parent / "out"
    with pytest.raises(Killed):
        predict(store, path, output=out, model="integers", chunk_rows=50, runner=HereAndNow(dies_before=4))
    given = {"model": "integers", "chunk_rows": 50, **change}
    jobs = predict(store, path, output=out, **given)
    assert jobs["a.parquet"].n_resumed == 0
    assert [entry.name for entry in (out / ".work").iterdir()] == ["lock"]
    predict(store, path, output=folder.parent / "never", **given)
    assert contents(out) == contents(folder.parent / "never")


def test_a_last_chunk_of_the_same_size_but_of_other_rows_is_not_taken_over(store, rows, folder):
    path, out = write(folder / "a.parquet", rows, range(150)), folder.parent / "out"
    with pytest.raises(Killed):
        predict(store, path, output=out, model="integers", chunk_rows=50, runner=HereAndNow(dies_before=2))
    predict(store, path, output=out, model="integers", chunk_rows=100)
    assert column(out / "a.parquet.parquet", "id") == [*range(150)]


def test_chunks_of_other_content_are_not_taken_over(store, rows, folder):
    path, out = write(folder / "a.parquet", rows), folder.parent / "out"
    with pytest.raises(Killed):
        predict(store, path, output=out, model="integers", chunk_rows=50, runner=HereAndNow(dies_before=4))
    write(path, rows, range(399, -1, -1))
    assert predict(store, path, output=out, model="integers", chunk_rows=50)["a.parquet"].n_resumed == 0
    assert column(out / "a.parquet.parquet", "id") == [*range(399, -1, -1)]


IN_FIFTIES = {"model": "integers", "chunk_rows": 50}


@pytest.fixture(scope="module")
def undisturbed(store, rows, tmp_path_factory):
    """A file, and what a run makes of it that nothing comes in between."""
    folder = tmp_path_factory.mktemp("undisturbed")
    path = write(folder / "a.parquet", rows)
    predict(store, path, output=folder / "out", **IN_FIFTIES)
    return path, contents(folder / "out")


@pytest.fixture(scope="module")
def killed_run(store, rows, undisturbed, tmp_path_factory):
    """The output folder of a run over the same file that was killed with four parts done, and one of another file."""
    folder = tmp_path_factory.mktemp("killed")
    other = write(folder / "other.parquet", rows, range(399, -1, -1))
    for path, name in ((undisturbed[0], "out"), (other, "other")):
        with pytest.raises(Killed):
            predict(store, path, output=folder / name, runner=HereAndNow(dies_before=4), **IN_FIFTIES)
        assert len(parts_of(folder / name)) == 4
    return folder


@pytest.fixture
def killed(killed_run, tmp_path):
    """A copy of the output folder of the killed run."""
    return Path(shutil.copytree(killed_run / "out", tmp_path / "out"))


def parts_of(out):
    return sorted((out / ".work").glob("*/*.part"))


def flip(path, position, bit=0):
    content = bytearray(path.read_bytes())
    content[position] ^= 1 << bit
    path.write_bytes(content)


@pytest.mark.parametrize("where", range(12))
def test_a_part_with_a_flipped_bit_is_predicted_again(where, store, killed, undisturbed):
    path, expected = undisturbed
    part = parts_of(killed)[where % 4]
    flip(part, part.stat().st_size * where // 12, where % 8)
    assert predict(store, path, output=killed, **IN_FIFTIES)["a.parquet"].n_resumed == 3
    assert contents(killed) == expected


def _cut(parts, _others):
    parts[1].write_bytes(parts[1].read_bytes()[:-40])
    parts[2].write_bytes(b"")


def _swap(parts, _others):
    """Both are of 50 rows."""
    one, other = parts[1].read_bytes(), parts[2].read_bytes()
    parts[1].write_bytes(other)
    parts[2].write_bytes(one)


def _take_one_of_another_file(parts, others):
    shutil.copyfile(others[1], parts[1])


def _take_all_of_another_file(parts, others):
    for part, other in zip(parts, others, strict=True):
        shutil.copyfile(other, part)


def _take_one_for_a_chunk_not_done_yet(parts, _others):
    shutil.copyfile(parts[0], parts[0].with_name("000006.part"))


def _spoil_what_else_was_begun(parts, _others):
    for name in ("rejects.parquet", "output.parquet"):  # which a process that is killed leaves behind
        (parts[0].parent / name).write_bytes(b"spoilt")


HARMS = {
    _cut: 2, _swap: 2, _take_one_of_another_file: 3, _take_all_of_another_file: 0,
    _take_one_for_a_chunk_not_done_yet: 4, _spoil_what_else_was_begun: 4,
}  # fmt: skip


@pytest.mark.parametrize(("harm", "n_sound"), HARMS.items(), ids=lambda value: getattr(value, "__name__", ""))
def test_only_sound_parts_of_an_ended_run_are_taken_over(harm, n_sound, store, killed, killed_run, undisturbed):
    path, expected = undisturbed
    harm(parts_of(killed), parts_of(killed_run / "other"))
    assert predict(store, path, output=killed, **IN_FIFTIES)["a.parquet"].n_resumed == n_sound
    assert contents(killed) == expected


class Harming(HereAndNow):
    """Flips a bit of one chunk of a task, before or after it is predicted."""

    def __init__(self, kind, n, chunk=0):
        super().__init__()
        self._kind, self._n, self._chunk = kind, n, chunk

    def submit(self, task, parameters):
        path = getattr(parameters["chunks"][self._chunk], self._kind) if self.n == self._n else None
        if path and self._kind == "staged":
            flip(path, 500)
        ended = super().submit(task, parameters)
        if path and self._kind == "part":
            flip(path, 500)
        return ended


@pytest.mark.parametrize("kind", ["staged", "part"])
@pytest.mark.parametrize("n", [0, 3, 7])
def test_a_chunk_that_goes_bad_under_way_fails_its_file_and_the_next_run_makes_it(n, kind, store, undisturbed, folder):
    path, expected = undisturbed
    out = folder.parent / "out"
    write(folder / "b.jsonl", {"source": [[1, 2], [3]]})
    jobs = predict(store, path, folder, output=out, runner=Harming(kind, n), **IN_FIFTIES)
    assert (jobs["a.parquet"].action, jobs["b.jsonl"].action) == ("fail", "predict")
    for text in (f"{path} was not predicted", f"{n:06}.{kind} was cut or altered", "run the same command again"):
        assert text in jobs["a.parquet"].reason
    assert {name.split(".")[0] for name in contents(out)} == {"b"}
    assert [entry.name for entry in (out / ".work").iterdir()] == ["lock"]
    assert predict(store, path, folder, output=out, **IN_FIFTIES)["a.parquet"].n_resumed == 0
    assert {name: digest for name, digest in contents(out).items() if name.startswith("a.")} == expected


def test_a_part_of_an_ended_run_is_not_blamed_for_what_this_run_staged(store, killed, undisturbed):
    flip(parts_of(killed)[1], 500)
    jobs = predict(store, undisturbed[0], output=killed, runner=Harming("staged", 0), **IN_FIFTIES)
    assert "000001.staged was cut or altered" in jobs["a.parquet"].reason


@pytest.mark.parametrize("kind", ["staged", "part"])
def test_of_small_files_in_one_task_only_that_whose_chunk_goes_bad_fails(kind, store, folder):
    for i in range(3):
        write(folder / f"{i}.jsonl", {"source": [[1, 2], [3]]})
    jobs = predict(store, folder, output=folder.parent / "out", runner=Harming(kind, 0, chunk=1), model="integers")
    assert [job.action for job in jobs.values()] == ["predict", "fail", "predict"]
    predict(store, folder, output=folder.parent / "out", model="integers")
    predict(store, folder, output=folder.parent / "never", model="integers")
    assert contents(folder.parent / "out") == contents(folder.parent / "never")


# What is predicted again


@pytest.fixture
def predicted(store, rows, folder):
    """A folder of two files, predicted; gives it, the output folder, and a function that plans anew."""
    write(folder / "a.parquet", rows, range(30))
    write(folder / "b.csv", rows, range(30))
    out = folder.parent / "out"
    predict(store, folder, output=out, model="integers")

    def plan(refresh=False, **more):
        jobs = plan_batch.fn(settings_of(folder, output=out, **{"model": "integers", **more}), store, refresh=refresh)
        return {job.name: (job.action, job.reason) for job in jobs}

    return folder, out, plan


def test_unchanged_files_are_kept_and_not_touched(predicted, store, monkeypatch):
    folder, out, plan = predicted
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in out.glob("[ab].*")}
    assert {action for action, _ in plan().values()} == {"keep"}
    monkeypatch.setattr("tasks.prediction.queue.load_serving", pytest.fail)  # no model is loaded
    monkeypatch.setattr("tasks.predict_batch.find_model", pytest.fail)
    os.utime(folder / "b.csv")  # another time is no other content
    jobs = predict(store, folder, output=out, model="integers", chunk_rows=3, workers=2)
    assert {job.action for job in jobs.values()} == {"keep"}
    assert {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in out.glob("[ab].*")} == before
    assert len(before) == 6


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"decoding": BEAM}, "other decoding settings"),
        ({"decoding": {"max_length": 4}}, "other decoding settings"),
        ({"format": "csv"}, "another output was asked for"),
        ({"token_log_probabilities": True}, "another output was asked for"),
        ({"encoder_states": True}, "another output was asked for"),
        ({"target": "id"}, "read with other settings"),
        ({"refresh": True}, "a refresh was asked for"),
    ],
    ids=str,
)
def test_other_settings_predict_all_files_again(change, reason, predicted):
    _, _, plan = predicted
    assert plan(**change) == dict.fromkeys(("a.parquet", "b.csv"), ("predict", reason))


@pytest.mark.parametrize(
    "change", [{"chunk_rows": 7}, {"workers": 3}, {"drift_threshold": 0.5}, {"max_reject_rate": 0}]
)
def test_settings_that_change_no_output_predict_nothing_again(change, predicted):
    _, _, plan = predicted
    assert {action for action, _ in plan(**change).values()} == {"keep"}


def test_another_model_predicts_all_files_again(predicted, tmp_path_factory):
    _, _, plan = predicted
    batch_models(tmp_path_factory).need("tiny")
    assert plan(model="tiny")["b.csv"] == ("predict", "another model")


def test_another_version_of_the_output_predicts_all_files_again(predicted, monkeypatch):
    _, _, plan = predicted
    as_it_is = BatchModel.lineage

    def newer(self, digest, settings):
        return as_it_is(self, digest, settings).model_copy(update={"format_version": 999})

    monkeypatch.setattr(BatchModel, "lineage", newer)
    assert plan()["a.parquet"] == ("predict", "the outputs' format has a new version")


def _append(path):
    with path.open("ab") as file:
        file.write(b"x")


def _flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


def _miscount(path):
    path.write_text(path.read_text().replace('"read": 30', '"read": 31'))


HARM = {
    "its content changed": ("in/b.csv", lambda path: path.write_text("id,source\n1,1 2\n")),
    "not predicted yet": ("out/b.csv.account.json", Path.unlink),
    "its account cannot be read, or is of another version": ("out/b.csv.account.json", _append),
    "its account was altered": ("out/b.csv.account.json", _miscount),
    "b.csv.parquet was altered": ("out/b.csv.parquet", _append),
    "b.csv.parquet is missing": ("out/b.csv.parquet", Path.unlink),
    "b.csv.rejects.parquet is missing": ("out/b.csv.rejects.parquet", Path.unlink),
    "b.csv.rejects.parquet was altered": ("out/b.csv.rejects.parquet", _flip),
}


@pytest.mark.parametrize("reason", HARM)
def test_what_is_not_as_it_was_predicted_is_predicted_again_alone(reason, predicted, store):
    folder, out, plan = predicted
    before = contents(out)
    where, harm = HARM[reason]
    harm(folder.parent / where)
    assert plan() == {"a.parquet": ("keep", "nothing changed"), "b.csv": ("predict", reason)}
    predict(store, folder, output=out, model="integers")
    assert {action for action, _ in plan().values()} == {"keep"}
    if reason != "its content changed":
        assert contents(out) == before


def test_an_output_of_another_format_takes_the_place_of_the_former(predicted, store):
    folder, out, _ = predicted
    predict(store, folder, output=out, model="integers", format="jsonl")
    assert sorted(path.name for path in out.glob("b.csv*")) == [
        "b.csv.account.json",
        "b.csv.jsonl",
        "b.csv.rejects.parquet",
    ]


def test_outputs_whose_input_is_gone_stay_and_are_listed(predicted, store):
    folder, out, _ = predicted
    (folder / "b.csv").unlink()
    jobs = predict(store, folder, output=out, model="integers")
    assert (out / "b.csv.parquet").exists()
    assert report(store, jobs, folder, output=out, model="integers")["outputs_without_input"] == ["b.csv"]


def test_a_file_that_cannot_be_read_any_more_keeps_what_was_predicted_of_its_former_content(predicted, store):
    folder, out, _ = predicted
    before = contents(out)
    (folder / "b.csv").write_text('id,source\n1,"1 2\n')
    jobs = predict(store, folder, output=out, model="integers")
    assert (jobs["a.parquet"].action, jobs["b.csv"].action) == ("keep", "fail")
    assert contents(out) == before


# The settle rule


def test_a_young_file_of_a_folder_or_a_pattern_waits_and_a_named_one_does_not(store, folder, rows):
    path = write(folder / "a.parquet", rows, range(9))
    for where, action in ((folder, "wait"), (folder / "*.parquet", "wait"), (path, "predict")):
        (job,) = plan_batch.fn(settings_of(where, output=folder.parent / "out", model="integers", settle=60), store)
        assert job.action == action
        if action == "wait":
            assert "may be half written" in job.reason
    (job,) = plan_batch.fn(settings_of(folder, output=folder.parent / "out", model="integers", settle=0), store)
    assert job.action == "predict"


def age(path, seconds):
    time = path.stat().st_mtime - seconds
    os.utime(path, (time, time))


def test_files_that_have_settled_or_are_of_the_future_are_taken(store, folder, rows):
    for name, seconds in (("old", 61), ("young", 30), ("future", -3600)):
        age(write(folder / f"{name}.parquet", rows, range(9)), seconds)
    jobs = plan_batch.fn(settings_of(folder, output=folder.parent / "out", model="integers", settle=60), store)
    assert {job.name: job.action for job in jobs} == {
        "old.parquet": "predict", "young.parquet": "wait", "future.parquet": "predict",
    }  # fmt: skip


def test_hidden_names_are_left_out_and_other_suffixes_are_listed(store, folder, rows):
    for name in (".a.parquet", "_b.parquet", "c.parquet", "d.txt"):
        write(folder / name if name != "d.txt" else folder / "d.parquet", rows, range(3))
    (folder / "d.parquet").rename(folder / "d.txt")
    (folder / ".hidden").mkdir()
    write(folder / ".hidden" / "e.parquet", rows, range(3))
    jobs = predict(store, folder, output=folder.parent / "out", model="integers")
    assert [*jobs] == ["c.parquet"]
    batch = report(store, jobs, folder, output=folder.parent / "out", model="integers")
    assert batch["files_of_other_formats"] == [str(folder / "d.txt")]


@pytest.mark.parametrize("kind", ["parquet", "csv", "jsonl"])
def test_a_file_that_changes_between_plan_and_reading_fails_and_leaves_nothing(kind, store, folder, rows):
    path = write(folder / f"a.{kind}", rows, range(50))

    settings = settings_of(folder, output=folder.parent / "out", model="integers")
    jobs = plan_batch.fn(settings, store)
    write(path, rows, range(60))
    (job,) = carry_out(jobs, settings, store, HereAndNow()).values()
    assert job.action == "fail"
    assert str(path) in job.reason
    assert "changed" in job.reason
    assert not contents(folder.parent / "out")


@pytest.mark.parametrize("kind", ["parquet", "csv", "jsonl", "arrow"])
def test_a_file_that_changes_while_it_is_read_fails_and_leaves_nothing(kind, store, folder, rows):
    path = write(folder / f"a.{kind}", rows)

    class Writes(HereAndNow):
        def submit(self, task, parameters):
            if self.n == 3:
                write(path, rows, range(100))
            return super().submit(task, parameters)

    jobs = predict(store, folder, output=folder.parent / "out", model="integers", runner=Writes(), chunk_rows=20)
    assert jobs[path.name].action == "fail"
    assert "changed" in jobs[path.name].reason
    assert not contents(folder.parent / "out")
    jobs = predict(store, folder, output=folder.parent / "out", model="integers", chunk_rows=20)
    assert jobs[path.name].account.predicted == 100


def test_a_file_that_changes_just_before_its_first_byte_is_read_is_not_taken_for_the_one_of_the_plan(
    store, folder, rows
):
    path = write(folder / "a.parquet", rows, range(50))

    def opens(file, model):
        write(path, rows, range(60))
        return open_file(file, model)

    with patch("tasks.prediction.shards.open_file", opens):
        jobs = predict(store, folder, output=folder.parent / "out", model="integers")
    assert jobs["a.parquet"].action == "fail"
    assert "changed" in jobs["a.parquet"].reason
    assert not contents(folder.parent / "out")


def test_a_file_that_is_gone_when_its_turn_comes_fails_alone(store, folder, rows):
    write(folder / "a.parquet", rows)
    path = write(folder / "b.parquet", rows)

    class Removes(HereAndNow):
        def submit(self, task, parameters):
            path.unlink(missing_ok=True)
            return super().submit(task, parameters)

    jobs = predict(store, folder, output=folder.parent / "out", model="integers", runner=Removes(), chunk_rows=20)
    assert (jobs["a.parquet"].action, jobs["b.parquet"].action) == ("predict", "fail")
    assert str(path) in jobs["b.parquet"].reason


def _long_name(folder):
    write(folder / f"{'x' * 245}.jsonl", {"source": [[1]]})


def _folder_in_the_way(folder):
    write(folder / "a.jsonl", {"source": [[1]]})
    (folder.parent / "out" / "a.jsonl.parquet").mkdir(parents=True)


def _name_that_is_no_text(folder):
    write(folder / "a.jsonl", {"source": [[1]]}).rename(os.fsdecode(os.fsencode(folder) + b"/\xff.jsonl"))


def _key_like_ours(folder):
    write(folder / "a.jsonl", {"source": [[1]], "\0source": [2]})


@pytest.mark.parametrize("make", [_long_name, _folder_in_the_way, _name_that_is_no_text, _key_like_ours])
def test_a_file_that_nothing_can_be_made_of_fails_alone(make, store, folder):
    make(folder)
    write(folder / "z.jsonl", {"source": [[1]]})
    jobs = predict(store, folder, output=folder.parent / "out", model="integers")
    assert [job.action for job in jobs.values()] == ["fail", "predict"]


# Columns


def test_all_columns_of_a_parquet_file_are_kept_with_their_types(store, folder):
    table = pa.table(
        {
            "when": pa.array([0, 1, None], pa.timestamp("us", "UTC")),
            "source": pa.array([[1, 2], [3], [4]], pa.large_list(pa.int32())),
            "price": pa.array([1, 2, None], pa.int32()).cast(pa.decimal128(12, 2)),
            "kind": pa.array(["a", "b", "a"]).dictionary_encode(),
            "nested": [{"x": 1, "y": [None, "ü"]}, None, {"x": None, "y": []}],
            "blob": pa.array([b"\x00\xff", None, b""], pa.large_binary()),
        }
    )
    pq.write_table(table, folder / "a.parquet")
    predict(store, folder, output=folder.parent / "out", model="integers")
    made = pq.read_table(folder.parent / "out" / "a.parquet.parquet")
    assert made.select(table.column_names).schema.remove_metadata().equals(table.schema)
    assert made.select(table.column_names).to_pylist() == table.to_pylist()
    types = {name: str(made.schema.field(name).type) for name in made.column_names[6:]}
    assert types == {"prediction": "list<element: int64>", "log_probability": "float", "n_unknown": "int64"}


def test_columns_of_a_csv_are_kept_as_text(store, folder):
    (folder / "a.csv").write_text('a,source,"b c"\n007,1 2,"x\n""y"""\n,3,\n1e3, 4 , ü\n', encoding="utf-8")
    predict(store, folder, output=folder.parent / "out", model="integers")
    expected = [
        {"a": "007", "source": "1 2", "b c": 'x\n"y"'},
        {"a": "", "source": "3", "b c": ""},
        {"a": "1e3", "source": " 4 ", "b c": " ü"},
    ]
    check_account(folder.parent / "out", "a.csv", expected)


def test_unknown_symbols_are_counted_a_row(store, rows, folder):
    write(folder / "a.parquet", {"source": [[1, 77, 2, -50], [1, 2], [77, 77, 77]]})
    predict(store, folder, output=folder.parent / "out", model="integers")
    assert column(folder.parent / "out" / "a.parquet.parquet", "n_unknown") == [2, 0, 3]
    assert account_of(folder.parent / "out", "a.parquet")["tally"]["rows_with_unknown"] == 2


def test_a_row_is_correct_where_its_prediction_equals_its_target_and_null_where_that_cannot_be_used(
    store, folder, rows
):
    write(folder / "a.parquet", rows)
    predict(store, folder, output=folder.parent / "out", model="integers")
    predicted = column(folder.parent / "out" / "a.parquet.parquet", "prediction")
    targets = [None, [], [1, None], *predicted[3:200], *([*row, 1] for row in predicted[200:399]), [77]]
    table = pa.table({"source": rows["source"], "target": pa.array(targets, pa.list_(pa.int64()))})
    pq.write_table(table, folder / "a.parquet")
    jobs = predict(store, folder, output=folder.parent / "out", model="integers")
    path = folder.parent / "out" / "a.parquet.parquet"
    usable = [bool(target) and None not in target for target in targets]
    expected = [target == row if use else None for target, row, use in zip(targets, predicted, usable, strict=True)]
    assert column(path, "correct") == expected
    assert column(path, "target") == targets
    assert column(path, "prediction") == predicted
    assert expected.count(True) >= 100
    batch = report(store, jobs, folder, output=folder.parent / "out", model="integers")
    assert batch["scored"]["n_evaluated"] == sum(usable)
    assert batch["scored"]["n_correct"] == expected.count(True)
    assert batch["scored"]["sequence_accuracy"] == pytest.approx(expected.count(True) / sum(usable))


def test_scores_are_those_computed_by_hand_from_the_output(store, folder, rows):
    write(folder / "a.parquet", rows, range(300))
    write(folder / "b.jsonl", rows, range(300, 400))
    jobs = predict(store, folder, output=folder.parent / "out", model="integers", chunk_rows=64)
    made = [row for name in ("a.parquet", "b.jsonl") for row in rows_of(folder.parent / "out" / f"{name}.parquet")]
    scored = report(store, jobs, folder, output=folder.parent / "out", model="integers")["scored"]
    assert scored["n_evaluated"] == 400
    assert scored["n_correct"] == sum(row["prediction"] == row["target"] for row in made)
    edits = sum(edit_distance(row["target"], row["prediction"]) for row in made)
    assert scored["token_error_rate"] == pytest.approx(edits / sum(len(row["target"]) for row in made))
    pairs = [(row["target"], row["prediction"]) for row in made]
    right = sum(a == b for target, predicted in pairs for a, b in zip(target, predicted, strict=False))
    assert scored["token_accuracy"] == pytest.approx(right / sum(max(map(len, pair)) for pair in pairs))


def edit_distance(one, other):
    costs = [*range(len(other) + 1)]
    for i, a in enumerate(one, 1):
        row = [i]
        for j, b in enumerate(other, 1):
            row.append(min(row[-1] + 1, costs[j] + 1, costs[j - 1] + (a != b)))
        costs = row
    return costs[-1]


def test_a_file_without_a_target_has_no_such_column_and_no_scores(store, folder):
    write(folder / "a.parquet", {"source": [[1, 2]]})
    jobs = predict(store, folder, output=folder.parent / "out", model="integers")
    assert "correct" not in pq.read_schema(folder.parent / "out" / "a.parquet.parquet").names
    assert report(store, jobs, folder, output=folder.parent / "out", model="integers")["scored"] is None


def test_the_best_sequences_come_in_order_and_the_first_is_the_prediction(store, folder, rows):
    write(folder / "a.parquet", rows)
    decoding = {**BEAM, "length_penalty": 1.0}
    predict(store, folder, output=folder.parent / "out", model="integers", decoding=decoding)
    for row in rows_of(folder.parent / "out" / "a.parquet.parquet"):
        best = row["n_best"]
        assert len(best) == 3
        assert best[0]["prediction"] == row["prediction"]
        assert best[0]["log_probability"] == row["log_probability"]
        assert [item["score"] for item in best] == sorted((item["score"] for item in best), reverse=True)
        assert len({tuple(item["prediction"]) for item in best}) == 3
        for item in best:
            assert item["log_probability"] <= 0
            lengths = [((5 + n) / 6) for n in (len(item["prediction"]), len(item["prediction"]) + 1)]
            assert any(item["score"] == pytest.approx(item["log_probability"] / n, rel=1e-4) for n in lengths)


@pytest.mark.parametrize("method", METHODS)
def test_the_log_probabilities_of_tokens_add_up_to_that_of_the_prediction(method, store, folder, rows):
    write(folder / "a.parquet", rows, range(100))
    predict(
        store, folder, output=folder.parent / "out", model="integers", decoding=METHODS[method],
        token_log_probabilities=True,
    )  # fmt: skip
    for row in rows_of(folder.parent / "out" / "a.parquet.parquet"):
        scores = row["token_log_probabilities"]
        assert sum(scores) == pytest.approx(row["log_probability"], abs=1e-4)
        assert len(scores) - len(row["prediction"]) in (0, 1)
        assert max(scores) <= 0


def test_the_encoders_state_is_that_of_the_encoder(store, folder, rows):
    rows = {name: (values * 2)[:700] for name, values in rows.items()}  # more than are decoded at once
    write(folder / "a.parquet", rows)
    predict(store, folder, output=folder.parent / "out", model="integers", encoder_states=True)
    table = pq.read_table(folder.parent / "out" / "a.parquet.parquet")
    assert str(table.schema.field("encoder_state").type) == "fixed_size_list<element: float>[32]"
    model = load_serving(_serving(store))
    encoder, _ = load_keras_models(model.serving.bundle, Store(store))
    for row in table.to_pylist()[::100]:
        codec = as_vocabulary(model.codecs.source)
        ids = np.array([*codec.encode(np.array(row["source"])), codec.end])
        states = [np.array(part)[0] for part in encoder(ids[None])]
        assert row["encoder_state"] == pytest.approx(np.concatenate(states).tolist(), abs=1e-5)


def _serving(store):
    model = find_model(settings_of("x.csv", output="out", model="integers"), Store(store))
    return Serving(store=store, bundle=model.bundle, decoding=model.decoding)


def test_a_prediction_is_cut_at_the_limit_of_its_length_and_counted(store, folder, rows):
    write(folder / "a.parquet", rows)
    predict(store, folder, output=folder.parent / "out", model="integers", decoding={"max_length": 1})
    assert {len(row) for row in column(folder.parent / "out" / "a.parquet.parquet", "prediction")} <= {0, 1}
    assert account_of(folder.parent / "out", "a.parquet")["tally"]["reached_limit"] > 0


def test_lineage_stands_in_the_outputs_metadata_and_in_the_account(store, folder, rows):
    path = write(folder / "a.parquet", rows, range(5))
    predict(store, folder, output=folder.parent / "out", model="integers", decoding=BEAM)
    metadata = pq.read_schema(folder.parent / "out" / "a.parquet.parquet").metadata
    lineage = json.loads(metadata[b"seq2seq"])
    assert lineage == account_of(folder.parent / "out", "a.parquet")["lineage"]
    assert lineage["input"] == hashlib.sha256(path.read_bytes()).hexdigest()
    manifest = json.loads((_serving(store).bundle.path / "manifest.json").read_text())
    assert lineage["model"] == _serving(store).bundle.digest
    assert lineage["dataset"] == manifest["made_from"]["dataset"]
    assert (lineage["decoding"]["beam_width"], lineage["decoding"]["n_best"]) == (4, 3)
    assert len(lineage["code"]) == 64
    assert lineage["engine"] == f"onnxruntime {importlib.metadata.version('onnxruntime')}"


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_other_formats_hold_the_same_rows(kind, store, folder, rows):
    write(folder / "a.parquet", rows)
    asked = {"model": "integers", "decoding": BEAM, "token_log_probabilities": True}
    predict(store, folder, output=folder.parent / "out", **asked)
    predict(store, folder, output=folder.parent / kind, format=kind, chunk_rows=90, **asked)
    expected = rows_of(folder.parent / "out" / "a.parquet.parquet")
    made = rows_of(folder.parent / kind / f"a.parquet.{kind}")
    assert [*made[0]] == [*expected[0]]
    for row, other in zip(made, expected, strict=True):
        if kind == "csv":
            assert row["prediction"] == " ".join(map(str, other["prediction"]))
            row |= {name: _parsed(value) for name, value in row.items() if name != "prediction"}
            row["prediction"] = other["prediction"]
        assert row["id"] == other["id"]
        assert row["source"] == other["source"]
        assert row["correct"] == other["correct"]
        assert row["n_unknown"] == other["n_unknown"]
        assert_alike(row, other)


def _parsed(value):
    return json.loads(value) if value else None


@pytest.mark.parametrize("name", ["prediction", "log_probability", "correct", "origin_row", "n_best", "encoder_state"])
def test_a_column_of_a_name_that_is_written_is_refused(name, store, folder):
    write(folder / "a.jsonl", {"source": [[1, 2]], name: [1]})
    write(folder / "b.jsonl", {"source": [[1, 2]]})
    jobs = predict(store, folder, output=folder.parent / "out", model="integers")
    assert (jobs["a.jsonl"].action, jobs["b.jsonl"].action) == ("fail", "predict")
    for text in (str(folder / "a.jsonl"), repr(name), "rename it"):
        assert text in jobs["a.jsonl"].reason
    assert not (folder.parent / "out" / "a.jsonl.rejects.parquet").exists()


# The tasks themselves


def test_a_chunk_is_predicted_from_its_file_into_its_file(store, folder):
    write(folder / "a.parquet", {"source": [[1, 2], [3], [4, 5]]})
    kept = []

    class Keeps(HereAndNow):
        def submit(self, task, parameters):
            staged = parameters["chunks"][0].staged
            kept.append(shutil.copytree(staged.parent, folder.parent / staged.parent.name) / staged.name)
            return super().submit(task, parameters)

    predict(store, folder, output=folder.parent / "out", model="integers", runner=Keeps())
    (staged,) = kept
    chunk, made = ChunkFiles(file="a.parquet", staged=staged, part=folder / "0.part"), set()
    for _ in range(2):  # a task that runs twice does no harm
        assert predict_chunk.fn("a", _serving(store), [chunk]) == [None]
        made.add(chunk.part.read_bytes())
    assert len(made) == 1
    assert len(read_chunk(chunk.part)) == 3
    assert tally_of(read_chunk(chunk.part)).rows == 3


def test_a_plan_is_made_in_the_order_of_names_and_makes_nothing(store, folder, rows):
    for name in ("b.csv", "a.parquet", "sub/c.jsonl"):
        (folder / name).parent.mkdir(exist_ok=True)
        write(folder / name, rows, range(3))
    jobs = plan_batch.fn(settings_of(folder, output=folder.parent / "out", model="integers"), store)
    assert [(job.name, job.action) for job in jobs] == [
        ("a.parquet", "predict"), ("b.csv", "predict"), ("sub/c.jsonl", "predict"),
    ]  # fmt: skip
    assert not (folder.parent / "out").exists()


def test_small_files_go_together_in_one_task(store, folder):
    for i in range(30):
        write(folder / f"{i:02}.jsonl", {"source": [[1, 2], [3]]})
    runner = HereAndNow()
    jobs = predict(store, folder, output=folder.parent / "out", model="integers", runner=runner)
    assert runner.n <= 2
    assert all(job.account.read == 2 for job in jobs.values())


def test_a_failed_task_fails_the_run_and_what_was_finished_is_kept(store, folder, rows, monkeypatch):
    write(folder / "a.parquet", rows)

    class Breaks(HereAndNow):
        def submit(self, task, parameters):
            if self.n == 3:
                raise ArtifactError("the disk is full")
            return super().submit(task, parameters)

    with pytest.raises(ArtifactError):
        predict(store, folder, output=folder.parent / "out", model="integers", runner=Breaks(), chunk_rows=100)
    assert not contents(folder.parent / "out")
    assert (
        predict(store, folder, output=folder.parent / "out", model="integers", chunk_rows=100)["a.parquet"].n_resumed
        == 3
    )


def test_accounts_are_checked():
    fields: dict[str, Any] = {
        "name": "a",
        "read": 3,
        "predicted": 2,
        "rejected": 1,
        "history_only": 0,
        "reasons": {"json": 1},
    }
    Account.model_construct(**fields).check()
    for wrong in ({"read": 4}, {"predicted": 1}, {"reasons": {"json": 2}}, {"history_only": 1}):
        with pytest.raises(DataError, match="does not add up"):
            Account.model_construct(**{**fields, **wrong}).check()


def test_settings_of_decoding_that_do_not_fit_the_model_are_refused(store, folder, tmp_path_factory):
    batch_models(tmp_path_factory).need("tiny")
    write(folder / "a.jsonl", {"source": [[1, 2]]})
    for decoding, model in (({"n_best": 3}, "integers"), ({"max_length": 3}, "tiny")):
        with pytest.raises(SettingsError, match=next(iter(decoding))):
            plan_batch.fn(settings_of(folder, output=Path("out"), model=model, decoding=decoding), store)
