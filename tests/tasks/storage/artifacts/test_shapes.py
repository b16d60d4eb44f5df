"""Whatever somebody wrote into a JSON file of an artifact, with its digest made anew, ends in one clear line."""

import json
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.check import _check
from tasks.evaluate import evaluate_model
from tasks.generate import generate_dataset
from tasks.prediction.batch_model import find_model, training_baseline
from tasks.prediction.evaluator import Evaluator
from tasks.promote import fix_holdout
from tasks.seq2seq.errors import ArtifactError, DataError, Seq2SeqError
from tasks.seq2seq.settings.rules import check_experiment
from tasks.storage.artifacts.bundle import load_bundle
from tasks.storage.artifacts.bundle_import import import_bundle
from tasks.storage.artifacts.checkpoint import Checkpoint
from tasks.storage.artifacts.dataset import read_pairs
from tasks.storage.artifacts.holdout import is_comparable, read_holdout
from tasks.storage.artifacts.shapes import SeriesFile
from tasks.storage.files.digests import file_digest
from tasks.storage.files.json_files import read_json
from tasks.storage.outputs.accounts import Account
from tasks.storage.outputs.origins import trace_prediction
from tasks.storage.outputs.writers import LINEAGE
from tasks.storage.store.artifact_store import Store
from tasks.storage.store.inventory import take_inventory
from tasks.storage.store.manifest import MANIFEST, FileEntry, Handle, Manifest
from tasks.storage.store.promotions import promote, read_promotions
from tasks.storage.store.verify import verify_records
from tests.helpers.batch_runs import predict, settings_of
from tests.helpers.small_bundles import make
from tests.helpers.small_models import write_models
from tests.helpers.stored import digest

DEEP = "[" * 50_000 + "]" * 50_000
PROBLEM = {"data": {"n_in": 3, "n_out": 3, "cardinality": 6, "n_samples": 50}, "evaluation": {"n_samples": 5}}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A store with a dataset of files, and one of a problem with a model, its evaluation, promotion and holdout."""
    folder = tmp_path_factory.mktemp("made")
    store = Store(folder / "store")
    rows = "".join(f"{a} {b},{b} {a}\n" for a in range(20) for b in range(6))
    (folder / "pairs.csv").write_text(f"source,target\n{rows}")
    files = generate_dataset.fn(check_experiment({"data": {"train": folder / "pairs.csv"}}), store.root)
    experiment = check_experiment({"name": "m", **PROBLEM})
    dataset = generate_dataset.fn(experiment, store.root)
    made_from = {"dataset": dataset.digest, "training": digest("training")}
    bundle = make(store, made_from=made_from, change=write_models)
    evaluation = evaluate_model.fn(experiment, dataset, bundle, store.root)
    holdout = fix_holdout(experiment, dataset, store)
    promote(store, "m", bundle.digest, "for the test", holdout=holdout.digest)
    pairs = folder / "in" / "a.csv"
    pairs.parent.mkdir()
    pairs.write_text("source\n1 2 3\n")
    predict(store.root, pairs, output=folder / "out")
    return {
        "store": store,
        "experiment": experiment,
        "files": files,
        "dataset": dataset,
        "bundle": bundle,
        "evaluation": evaluation,
        "holdout": holdout,
        "folder": folder,
    }


def use_bundle(handle, made):
    """All that reads one: prediction, the drift of a night, and import elsewhere."""
    load_bundle(handle, made["store"])
    settings = settings_of(made["folder"] / "in", output=made["folder"] / "nowhere", model=handle.digest)
    training_baseline(find_model(settings, made["store"]), made["store"])
    import_bundle(Store(made["folder"] / "other"), handle.path)


def use_dataset(handle, made):
    """The checks of data, alone and against a promoted model."""
    _check(made["experiment"], handle, None)
    _check(made["experiment"], handle, made["bundle"])


def use_holdout(handle, made):
    """The comparison."""
    is_comparable(handle, made["experiment"])
    model = load_bundle(made["bundle"], made["store"])
    Evaluator(made["experiment"], model, handle.path)
    list(read_holdout(handle, model.codecs))


def use_evaluation(handle, _made):
    """What a summary and a page read."""
    from flows._cli.summary import describe_evaluation
    from tasks.reporting.model_page import read_evaluation

    describe_evaluation(handle)
    read_evaluation(handle)


USES = {
    "bundle": use_bundle,
    "files": use_dataset,
    "dataset": use_dataset,
    "holdout": use_holdout,
    "evaluation": use_evaluation,
}
FILES = {
    "bundle": ("bundle.json", "codecs.json", "profile.json", MANIFEST),
    "files": ("account.json", "codecs.json", "profile.json", MANIFEST),
    "dataset": ("profile.json", MANIFEST),
    "holdout": ("codecs.json", MANIFEST),
    "evaluation": ("evaluation.json", MANIFEST),
}
EVERY = [(kind, name) for kind, names in FILES.items() for name in names]
N_MUTANTS = 12
LONGEST = 1500  # characters of a message, with two paths in it
WHOLES = (DEEP, '{"a":' * 50_000 + "1" + "}" * 50_000, '"a string"', "17", "[]", "null", "NaN", "{}", "", "\x00")
PARTS = (
    "a string",
    17,
    -1,
    1.5,
    True,
    None,
    [],
    {},
    [["a"]],
    {"a": {"b": "\x1b[2J\n"}},
    float("nan"),
    10**30,
    "\ud800",
)


@pytest.mark.parametrize(("kind", "name"), EVERY)
def test_another_json_value_in_place_of_a_file_is_refused_in_one_line(made, tmp_path, kind, name):
    for content in WHOLES:
        said = outcome(made, tmp_path, kind, name, content)
        assert said is not None, (kind, name, content[:20])


@pytest.mark.parametrize(("kind", "name"), EVERY)
def test_another_json_value_in_place_of_some_part_is_read_or_refused_in_one_line(made, tmp_path, kind, name):
    mutants = list(_mutants(made, kind, name))
    for i in np.random.default_rng(0).permutation(len(mutants))[:N_MUTANTS]:
        outcome(made, tmp_path, kind, name, mutants[i])


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "name"), EVERY)
def test_another_json_value_in_place_of_any_part_is_read_or_refused_in_one_line(made, tmp_path, kind, name):
    for content in _mutants(made, kind, name):
        outcome(made, tmp_path, kind, name, content)


def _mutants(made, kind, name):
    content = json.loads((made[kind].path / name).read_text())
    for path in _places(content):
        for part in PARTS:
            yield json.dumps(_replaced(content, path, part))


@pytest.mark.parametrize("content", [*WHOLES[:-2], *(json.dumps({"promoted": part}) for part in PARTS if part)])
def test_a_record_of_promotions_that_is_another_json_value_is_refused_in_one_line(made, content):
    path = made["store"].root / "promotions" / "other.json"
    path.write_text(content, encoding="utf-8", errors="surrogatepass")
    try:
        if content != "{}":
            with pytest.raises(ArtifactError) as error:
                read_promotions(made["store"], "other")
            assert str(error.value).isprintable()
    finally:
        path.unlink()


@pytest.mark.parametrize("content", WHOLES)
def test_an_account_that_is_another_json_value_says_that_the_file_is_to_be_predicted_again(made, tmp_path, content):
    assert isinstance(Account.read_from(made["folder"] / "out" / "a.csv.account.json"), Account)
    (tmp_path / "a.csv.account.json").write_text(content)
    assert "account cannot be read" in Account.read_from(tmp_path / "a.csv.account.json")


@pytest.mark.parametrize("content", WHOLES)
def test_a_list_of_what_a_run_did_that_is_another_json_value_leaves_the_place_of_an_input_unknown(made, content):
    path = made["folder"] / "out" / "_run.json"
    before = path.read_text() if path.exists() else None
    path.write_text(content)
    try:
        origins = trace_prediction(made["store"], made["folder"] / "out" / "a.csv.parquet")
        assert origins[1].state == "nobody wrote down where it was"
    finally:
        path.write_text(before) if before else path.unlink()


@pytest.mark.parametrize("content", WHOLES)
def test_what_a_prediction_file_says_of_itself_that_is_another_json_value_is_refused_in_one_line(
    made, tmp_path, content
):
    pq.write_table(pa.table({"a": [1]}).replace_schema_metadata({LINEAGE: content.encode()}), tmp_path / "a.parquet")
    with pytest.raises(DataError) as error:
        trace_prediction(made["store"], tmp_path / "a.parquet")
    assert str(error.value).isprintable()


@pytest.mark.parametrize("content", WHOLES)
def test_a_checkpoint_whose_state_is_another_json_value_is_refused_in_one_line(tmp_path, content):
    (tmp_path / "state.json").write_text(content)
    with pytest.raises(ArtifactError) as error:
        Checkpoint(tmp_path, digest("key")).read()
    assert str(error.value).isprintable()
    assert len(str(error.value)) < LONGEST


@pytest.mark.parametrize("content", WHOLES)
def test_the_error_of_the_naive_forecast_that_is_another_json_value_is_refused_in_one_line(tmp_path, content):
    (tmp_path / "series.json").write_text(content)
    with pytest.raises(ArtifactError) as error:
        read_json(tmp_path / "series.json", SeriesFile)
    assert str(error.value).isprintable()


@pytest.mark.parametrize("content", WHOLES)
def test_a_dataset_whose_schema_version_is_another_json_value_is_refused_in_one_line(tmp_path, content):
    table = pa.table({"source": [[1]], "target": [[1]]}).replace_schema_metadata({"schema_version": content.encode()})
    pq.write_table(table, tmp_path / "train.parquet")
    with pytest.raises(ArtifactError) as error:
        list(read_pairs(tmp_path / "train.parquet"))
    assert str(error.value).isprintable()
    assert len(str(error.value)) < LONGEST


@pytest.mark.parametrize("content", WHOLES)
def test_the_commands_for_a_store_stand_an_index_that_is_another_json_value(made, content):
    path = made["store"].root / "keys" / f"dataset-{digest('nobody')}.json"
    path.write_text(content)
    try:
        assert take_inventory(made["store"]).artifacts
        assert [found.fault for found in verify_records(made["store"]) if found.kind == "keys" and found.fault]
    finally:
        path.unlink()


@pytest.mark.parametrize("content", WHOLES)
def test_an_index_that_is_another_json_value_says_that_a_step_is_to_be_made_again(made, content):
    keys = sorted((made["store"].root / "keys").glob("dataset-*.json"))
    before = keys[0].read_text()
    keys[0].write_text(content)
    try:
        again = generate_dataset.fn(made["experiment"], made["store"].root)
        assert (again if isinstance(again, Handle) else again.result()).digest == made["dataset"].digest
    finally:
        keys[0].write_text(before)


def outcome(made, tmp_path, kind, name, content):
    """What is said of an artifact of which a file holds something else, as if it had been made so; None: it is used."""
    folder = made[kind].path
    aside = tmp_path / "aside"
    shutil.copytree(folder, aside)
    try:
        (folder / name).write_text(content, encoding="utf-8", errors="surrogatepass")
        return _refusal(made, kind, name)
    finally:
        shutil.rmtree(folder)
        aside.rename(folder)


def _refusal(made, kind, name):
    folder = made[kind].path
    try:
        if name != MANIFEST:
            _reseal(folder)
        USES[kind](Handle.of(Manifest.read(folder), folder), made)
    except Seq2SeqError as error:
        said = str(error)
    else:
        return None
    assert said.replace("\n", "").isprintable()
    assert len(said) < LONGEST
    return said


def _reseal(folder):
    files = {
        path.relative_to(folder).as_posix(): FileEntry(sha256=file_digest(path), bytes=path.stat().st_size)
        for path in folder.rglob("*")
        if path.is_file() and path.name != MANIFEST
    }
    manifest = Manifest.read(folder).model_copy(update={"files": files}).sealed()
    (folder / MANIFEST).write_text(manifest.model_dump_json())


def _places(content, path=()):
    """The paths to all parts of a JSON value; of lists, to the first item."""
    inner = (
        content.items()
        if isinstance(content, dict)
        else list(enumerate(content))[:1]
        if isinstance(content, list)
        else ()
    )
    for key, value in inner:
        yield (*path, key)
        yield from _places(value, (*path, key))


def _replaced(content, path, part):
    if not path:
        return part
    changed = dict(content) if isinstance(content, dict) else list(content)
    changed[path[0]] = _replaced(content[path[0]], path[1:], part)
    return changed
