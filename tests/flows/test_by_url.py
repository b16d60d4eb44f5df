"""The commands, with a store in an object store."""

import json
import os
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flows.import_bundle import main as import_bundle
from flows.promotions import main as promotions
from flows.store import main as store_command
from tasks.seq2seq.settings.rules import check_experiment
from tasks.storage.files import object_places
from tasks.storage.files.places import place_of
from tasks.storage.store.artifact_store import Store
from tasks.storage.store.manifest import Manifest
from tasks.storage.store.promotions import promote, read_promotions
from tests.conftest import ROOT
from tests.helpers.batch_models import batch_models
from tests.helpers.in_object_stores import servers, url_of
from tests.helpers.object_stores import SECRET, environment, object_store
from tests.helpers.small_bundles import make
from tests.helpers.stored import digest

pytestmark = pytest.mark.seconds
server = servers()


@pytest.fixture
def url(request):
    return url_of(request.node.name.partition("[")[0])


@pytest.fixture
def models(url):
    """Two models of a name, the second of which serves."""
    store = Store(url)
    made = [make(store, seed=seed, made_from={"dataset": digest("dataset")}) for seed in (1, 2)]
    for one in made:
        promote(store, "numbers", one.digest, "for the test")
    return made


def asked(main, *words, tmp_path):
    """The exit code of a command, and what it wrote as its summary."""
    code = main([*map(str, words), "--summary", str(tmp_path / "summary.json")])
    return code, json.loads((tmp_path / "summary.json").read_text())


def test_a_model_is_rolled_back_and_promoted(url, models, tmp_path):
    for words, serves in ((["--rollback"], models[0]), (["--promote", models[1].digest[:12]], models[1])):
        code, summary = asked(promotions, "numbers", *words, "--reason", "why", "--store", url, tmp_path=tmp_path)
        assert code == 0
        assert summary["store"] == url
        assert summary["names"][0]["promoted"] == serves.digest == read_promotions(Store(url), "numbers").promoted


def test_what_is_there_is_listed_verified_and_traced_by_its_url(url, models, tmp_path):
    code, listed = asked(store_command, "list", "--store", url, tmp_path=tmp_path)
    assert code == 0
    assert [one["path"] for one in listed["artifacts"]] == [f"{url}/bundle/{one.digest}" for one in models]
    assert asked(store_command, "verify", "--store", url, tmp_path=tmp_path)[0] == 0
    _, traced = asked(store_command, "why", models[0].digest[:12], "--store", url, tmp_path=tmp_path)
    assert traced["origins"][0]["place"] == f"{url}/bundle/{models[0].digest}"
    assert [one["state"] for one in traced["origins"]] == ["sound", "missing"]  # there never was a dataset
    place = place_of(url)
    (name,) = (entry.name for entry in place.entries(f"bundle/{models[0].digest}") if entry.name.endswith("step.onnx"))
    place.delete([name])
    code, verified = asked(store_command, "verify", "--store", url, tmp_path=tmp_path)
    assert code == 1
    assert verified["faults"] == [f"{url}/{name} is missing, or was cut"]


def test_a_clean_up_leaves_what_serves(url, models, tmp_path, start_python):
    """It runs in another process than the one that made the models and holds them."""
    code = "import sys; from flows.store import main; sys.exit(main(sys.argv[1:]))"
    os.environ["SEQ2SEQ_CACHE"] += "-of-another-machine"
    process = start_python(code, "prune", "--keep-models", "0", "--store", url, "--summary", tmp_path / "s.json")
    os.environ["SEQ2SEQ_CACHE"] = os.environ["SEQ2SEQ_CACHE"].removesuffix("-of-another-machine")
    assert process.communicate(timeout=60)[1] == ""
    summary = json.loads((tmp_path / "s.json").read_text())
    assert [one["reason"] for one in summary["staying"]] == ["--rollback of 'numbers' leads to it"]
    assert Store(url).digests("bundle") == sorted(one.digest for one in models)


def test_a_dataset_of_files_in_an_object_store_holds_what_that_of_files_on_a_disk_does(url, tmp_path):
    from tasks.generate import generate_dataset

    source = [[i % 9 + 1, i + 1] for i in range(200)]
    (tmp_path / "in").mkdir()
    for name in ("a", "b"):
        pq.write_table(pa.table({"source": source, "target": source}), tmp_path / "in" / f"{name}.parquet")
        place_of(f"{url}/in").put(f"{name}.parquet", tmp_path / "in" / f"{name}.parquet")
    here, there = (
        generate_dataset.fn(check_experiment({"data": {"train": where, "settle": 0}}), store)
        for where, store in ((tmp_path / "in", tmp_path / "store"), (f"{url}/in", f"{url}/store"))
    )
    assert Manifest.read(here.path).key == Manifest.read(there.path).key
    for name in ("train.parquet", "validation.parquet", "test.parquet", "codecs.json"):
        assert (here.path / name).read_bytes() == (there.path / name).read_bytes()
    assert f"{url}/in/a.parquet" in (there.path / "account.json").read_text()
    assert Store(f"{url}/store").digests("dataset") == [there.digest]


def test_a_bundle_is_brought_from_a_disk(url, tmp_path_factory):
    """A real one: an import refuses what Keras does not load."""
    models = batch_models(tmp_path_factory)
    models.need("tiny")
    made = models.bundles["tiny"]
    assert import_bundle([str(made.path), "--store", url]) == 0
    assert Store(url).manifest("bundle", made.digest).facts == made.facts


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--store", "s3://someone:secret@bucket/store"], "store is a URL with credentials in it"),
        (["--store", "https://bucket/store"], "expected a path, or a URL that begins with s3://"),
        (["--store", "s3://"], "which names no place"),
        (["--summary", "s3://bucket/summary.json"], "summary is 's3://bucket/summary.json', a URL"),
    ],
)
def test_a_url_that_names_no_place_is_refused(words, said, capsys):
    assert promotions(words) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line
    assert "secret@" not in line


def test_a_file_in_an_object_store_is_traced_from_a_copy_of_it(url, capsys):
    assert store_command(["why", f"{url}/a.parquet", "--store", url]) == 2
    assert "copy the file here" in capsys.readouterr().err


def test_a_store_whose_server_ignores_conditions_is_refused(tmp_path, monkeypatch, capsys):
    made = make(Store(tmp_path / "store"))
    monkeypatch.setattr(object_places, "TRY_SECONDS", 1.0)  # it does not remove what it was asked to either
    with object_store("careless") as address:
        for name, value in environment(address).items():
            monkeypatch.setenv(name, value)
        assert import_bundle([str(made.path), "--store", "s3://bucket/store"]) == 2
    assert "refused: s3://bucket/store cannot be written to safely" in capsys.readouterr().err


TINY = ["--data.n_samples", "3000", "--model.units", "16", "--evaluation.min_sequence_accuracy", "0", "--name", "toy"]


@pytest.mark.exhaustive
@pytest.mark.timeout(1200)
def test_a_model_is_made_used_and_taken_back_by_machines_that_share_nothing_else(tmp_path):
    """The main job; predictions in fresh processes, of which the second has nothing to do; a rollback."""
    store, rows = url_of("store"), {"source": [[1, 2, 3, 4, 5, 6], [6, 5, 4, 3, 2, 1]] * 50}
    first = run("train_and_eval", "--store", store, *TINY, machine=tmp_path / "a")
    assert first["promoted"]
    pq.write_table(pa.table(rows), tmp_path / "a.parquet")
    place_of(url_of("in")).put("x/a.parquet", tmp_path / "a.parquet")
    batch = [url_of("in"), "--output", url_of("out"), "--store", store, "--model", "toy"]
    assert run("batch_predict", *batch, machine=tmp_path / "b")["predicted_files"] == 1
    again = run("batch_predict", *batch, machine=tmp_path / "c")
    assert (again["kept_files"], again["predicted"]) == (1, 100)
    assert not list((tmp_path / "c" / "inputs").rglob("content"))
    cached = run("train_and_eval", "--store", store, *TINY, machine=tmp_path / "c")
    assert cached["model"]["digest"] == first["model"]["digest"]
    assert all(step["cached"] for step in cached["steps"])
    second = run("train_and_eval", "--store", store, *TINY, "--seed", "1", machine=tmp_path / "b")
    decided = run("promotions", "toy", "--store", store, machine=tmp_path / "d")["names"][0]
    assert decided["promoted"] in (first["model"]["digest"], second["model"]["digest"])
    promoting = ["--promote", second["model"]["digest"], "--reason", "try it"]
    if decided["promoted"] != second["model"]["digest"]:
        run("promotions", "toy", "--store", store, *promoting, machine=tmp_path / "d")
    back = run("promotions", "toy", "--store", store, "--rollback", "--reason", "bad", machine=tmp_path / "e")
    assert back["names"][0]["promoted"] == first["model"]["digest"]
    night = ["--predict.inputs", url_of("in"), "--predict.output", url_of("night")]
    assert run("nightly", "--store", store, *TINY, *night, machine=tmp_path / "c")["predictions"]["predicted"] == 100
    assert run("store", "verify", "--store", store, machine=tmp_path / "f")["faults"] == []


def run(name, *words, machine):
    """The summary of a command in a process of its own, on a machine with a cache of its own."""
    machine.mkdir(exist_ok=True)
    summary = machine / "summary.json"
    done = subprocess.run(
        [sys.executable, "-m", f"flows.{name}", *words, "--summary", summary],
        cwd=ROOT,
        env={**os.environ, "SEQ2SEQ_CACHE": str(machine), "PREFECT_HOME": str(machine.parent / "prefect")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert SECRET not in done.stdout + done.stderr + summary.read_text()
    return json.loads(summary.read_text())
