"""The tables of fields are complete and hold nothing that is not there: they are compared with files of real runs."""

import json
import re
import shutil

import pytest

from flows.batch_predict import batch_predict
from flows.generate_datasets import generate_datasets
from flows.generate_datasets import main as generate_datasets_command
from flows.import_bundle import main as import_bundle_command
from flows.predict_lines import main as predict_lines_command
from flows.promotions import main as promotions_command
from flows.store import main as store_command
from flows.train_and_eval import main as train
from flows.train_and_eval import train_and_eval
from tasks.seq2seq.metrics.table import METRICS
from tasks.seq2seq.settings.batch import check_batch_settings
from tasks.seq2seq.settings.export import ExportSettings
from tasks.seq2seq.settings.rules import check_experiment
from tests.conftest import ROOT
from tests.helpers.batch_models import batch_models, integer_pairs
from tests.helpers.sweeps import swept

FIELDS = (ROOT / "docs" / "fields.md").read_text()
STORE = (ROOT / "data" / "README.md").read_text()
EXPLAINED = {metric.name for metric in METRICS}  # in docs/own-data.md, as tests/test_docs.py sees to
SCORES = {*EXPLAINED, "rows_with_unknown", "rows_outside_range"}
MODELS = ("tiny", "integers", "wave")


def documented(page, title, part=None):
    """The fields in the table under a title; of a table in parts, those of one part."""
    section = re.split(rf"^## {re.escape(title)}\n", page, flags=re.MULTILINE)[1].split("\n## ")[0]
    if part:
        section = re.split(rf"^\| \*\*`?{re.escape(part)}`?\*\*", section, flags=re.MULTILINE)[1].split("| **")[0]
    return {
        name for row in re.findall(r"^\| (`.*?) \|", section, re.MULTILINE) for name in re.findall(r"`([^`]+)`", row)
    }


def fields_of(content, open_fields):
    """The fields of a JSON value by their paths; what is documented as open is not entered."""
    found = set()
    for name, value in content.items():
        inner = {one.split(".", 1)[1] for one in open_fields if one.startswith((f"{name}.", f"{name}[]."))}
        if f"{name}{{}}" in open_fields or f"{name}[]" in open_fields:
            found.add(f"{name}{{}}" if f"{name}{{}}" in open_fields else f"{name}[]")
        elif isinstance(value, dict):
            found |= {f"{name}.{one}" for one in fields_of(value, inner)}
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            found |= {f"{name}[].{one}" for entry in value for one in fields_of(entry, inner)}
        else:
            found.add(name)
    return found


def check(table, contents, without=(), seldom=()):
    """The fields of some JSON values are those of the table: none is missing in either, but what few have."""
    open_fields = {name for name in table if name.endswith(("{}", "[]"))}
    found = set().union(*(fields_of(content, open_fields) for content in contents)) - set(without)
    found = {name for name in found if name.split(".")[0] not in without}
    assert found - table == set(), "not documented"
    assert table - found - set(seldom) == set(), "documented and not there"


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A store in which every step of three experiments is made: synthetic, pairs from a file, a series."""
    models = batch_models(tmp_path_factory)
    models.need(*MODELS)
    store = tmp_path_factory.mktemp("documented") / "store"
    shutil.copytree(models.store, store)
    for kind in ("validation", "sweep"):
        shutil.copytree(swept(tmp_path_factory) / "store" / kind, store / kind)
    return store


@pytest.fixture(scope="module")
def runs(store, server):
    """The summary of the main job for each experiment, as the flow gives it."""
    experiments = [
        json.loads((path.parent / "bundle.json").read_text())["experiment"]
        for path in sorted(store.glob("bundle/*/bundle.json"))
    ]
    chosen = [check_experiment(one) for one in experiments if one["name"] in MODELS]
    (tiny,) = (one for one in chosen if one.name == "tiny")
    # A second model under a name, which is compared on the holdout; with all its exports.
    chosen.append(tiny.model_copy(update={"seed": 1, "export": ExportSettings(onnx=True, saved_model=True)}))
    return [train_and_eval(one, store) for one in chosen], [generate_datasets(one, store) for one in chosen]


@pytest.fixture(scope="module")
def batches(store, tmp_path_factory, server):
    """Output folders of batch predictions, one scored, one of a series; and the flows' summaries."""
    folder = tmp_path_factory.mktemp("batches")
    (folder / "pairs").mkdir()
    sources, targets = integer_pairs(400)
    lines = [json.dumps({"source": s, "target": t}) for s, t in zip(sources, targets, strict=True)]
    (folder / "pairs" / "a.jsonl").write_text("\n".join([*lines, '{"source": "x"}', ""]))
    shutil.copytree(folder / "pairs", folder / "plain")
    series = next(store.parent.parent.glob("batch-models*/wave.csv"))
    outputs = []
    for model, where in (("integers", folder / "pairs"), ("wave", series)):
        settings = {
            "inputs": [str(where)],
            "output": str(folder / model),
            "model": model,
            "settle": 0,
            "runner": {"workers": 1},
        }
        outputs.append((folder / model, batch_predict(check_batch_settings(settings), store)))
    return outputs


def read_all(store, pattern):
    """The JSON files of a store that match."""
    return [json.loads(path.read_text()) for path in sorted(store.glob(pattern))]


def test_the_fields_of_every_summary_are_in_the_docs(run):
    _, summary, _ = run(generate_datasets_command, "--data.n_samples", "100")
    check(documented(FIELDS, "Every summary"), [summary], {"dataset", *fields_of(summary, ()) - set(summary)})


def test_the_fields_of_the_summaries_of_training_are_in_the_docs(runs):
    trained, generated = runs
    dataset = documented(FIELDS, "The summary of generate_datasets")
    check(dataset, generated)
    check(dataset | documented(FIELDS, "The summary of train_and_eval"), trained, SCORES)


def test_the_fields_of_the_summary_of_a_dry_run_are_in_the_docs(run, tmp_path):
    """Of pairs with a row that is rejected and one that is odd, and of a series."""
    pairs = [f"{i % 9} {i % 7},{i % 5}" for i in range(99)]
    (tmp_path / "pairs.csv").write_text("\n".join(["source,target", *pairs, "1 2 3 4 5,6", "x,1"]))
    (tmp_path / "series.csv").write_text("\n".join(["source", *(str(i % 9) for i in range(99))]))
    windows = ("--data.history", "5", "--data.horizon", "1")
    allowed = ("--data.max_reject_rate", "0.1", "--dry-run")
    found = [
        run(main, "--data.train", str(tmp_path / name), *more, *allowed)[1]
        for main, name, more in ((generate_datasets_command, "pairs.csv", ()), (train, "series.csv", windows))
    ]
    check(
        documented(FIELDS, "The summary of a dry run"),
        found,
        {"data.rejects", "data.odd_rows", "data.series"},
        {"data.series[].series"},
    )


def test_the_fields_of_the_summaries_of_promotions_and_of_an_import_are_in_the_docs(store, run, tmp_path):
    _, summary, _ = run(promotions_command, store=store)
    check(documented(FIELDS, "The summary of promotions"), [summary])
    assert {one["name"] for one in summary["names"]} >= set(MODELS)
    bundle = next(store.glob("bundle/[0-9a-f]*"))
    _, summary, _ = run(import_bundle_command, str(bundle), store=tmp_path / "other")
    check(documented(FIELDS, "The summary of import_bundle"), [summary])
    assert bundle.name in summary["path"]


def test_the_fields_of_the_summary_of_predict_lines_are_in_the_docs(store, run):
    _, summary, _ = run(predict_lines_command, "1 2", "--model", "integers", store=store)
    check(documented(FIELDS, "The summary of predict_lines"), [summary])


def test_the_fields_of_the_summary_of_a_sweep_are_in_the_docs(tmp_path_factory, runs):
    trained = documented(FIELDS, "The summary of generate_datasets") | documented(
        FIELDS, "The summary of train_and_eval"
    )
    summary = json.loads((swept(tmp_path_factory) / "summary.json").read_text())
    every = {"total_seconds", *(name for name in summary if name.startswith("peak_rss"))}
    check(trained | documented(FIELDS, "The summary of sweep"), [summary, *runs[0]], SCORES | every)


def test_the_fields_of_the_summaries_of_store_are_in_the_docs(store, batches, run, tmp_path):
    shutil.copytree(store, tmp_path / "copy")  # which this process does not hold
    output = next(path for folder, _ in batches for path in folder.rglob("*.jsonl.parquet"))
    prune = ["prune", "--older-than", "0", "--dry-run"]
    asked = (["list"], ["why", str(output)], ["verify"], prune, ["leaderboard"], ["pages"])
    found = [run(store_command, *words, store=tmp_path / "copy")[1] for words in asked]
    check(documented(FIELDS, "The summary of store"), found)


def test_the_fields_of_run_json_and_its_summary_are_in_the_docs(batches):
    table = documented(FIELDS, "`_run.json`")
    written = [json.loads((folder / "_run.json").read_text()) for folder, _ in batches]
    check(table - {"files[].resumed_chunks"}, written)
    check(
        table - {"files[].resumed_chunks"} | documented(FIELDS, "The summary of batch_predict"), [s for _, s in batches]
    )


def test_the_fields_of_an_account_are_in_the_docs(batches):
    accounts = [json.loads(path.read_text()) for folder, _ in batches for path in folder.rglob("*.account.json")]
    check(documented(FIELDS, "`NAME.account.json`"), accounts, seldom={"input_version", "known_ahead"})


def test_every_file_of_an_artifact_is_in_the_docs(store, runs):
    table = documented(STORE, "Files of the artifacts")
    paths = store.glob("*/[0-9a-f]*/*.*")
    found = {re.sub(r"^(steps|windows)\.\w+\.npy$", _array_of, path.name) for path in paths}
    folders = {f"{path.name}/" for path in store.glob("*/[0-9a-f]*/*/")}
    assert found | folders == table


def _array_of(found):
    return {"steps": "steps.NAME.npy", "windows": "windows.SPLIT.npy"}[found[1]]


def test_every_folder_of_a_store_is_in_the_docs(store, runs):
    table = {name.split("/")[0] for name in documented(STORE, "What lies in the store")}
    assert {path.name for path in store.iterdir()} == table - {"pages"}  # which a command makes, and no run


def test_the_fields_of_a_manifest_and_its_facts_are_in_the_docs(store, runs):
    check(documented(STORE, "Fields of `manifest.json`"), read_all(store, "*/[0-9a-f]*/manifest.json"))
    for kind in (
        "dataset",
        "checks",
        "training",
        "bundle",
        "evaluation",
        "holdout",
        "holdout_scores",
        "report",
        "validation",
        "sweep",
    ):
        table = documented(STORE, "Facts", kind)
        facts = [manifest["facts"] for manifest in read_all(store, f"{kind}/*/manifest.json")]
        if kind == "bundle":  # of which the page says: as of its dataset
            facts = [{**fact, "source": 0, "target": 0} for fact in facts]
        check(table, facts)


def test_the_fields_of_a_datasets_account_are_in_the_docs(store, runs):
    accounts = read_all(store, "dataset/*/account.json")
    for account in accounts:  # of a series these are numbers
        account.update({name: {} for name in ("read", "rejected")})
    check(documented(STORE, "Fields of a dataset's `account.json`"), accounts, seldom={"series[].series"})


def test_the_fields_of_the_other_files_are_in_the_docs(store, runs):
    title = "Fields of the other JSON files"
    check(documented(STORE, title, "history.json"), read_all(store, "training/*/history.json"))
    codecs = read_all(store, "*/*/codecs.json")
    check(documented(STORE, title, "codecs.json"), [codec[side] for codec in codecs for side in ("source", "target")])
    profiles = read_all(store, "*/*/profile.json")
    sides = [profile.pop(side) for profile in profiles for side in ("source", "target")]
    check(documented(STORE, title, "profile.json"), [*profiles, *sides])
    check(documented(STORE, title, "evaluation.json"), read_all(store, "evaluation/*/evaluation.json"))
    check(documented(STORE, title, "promotions/NAME.json"), read_all(store, "promotions/*.json"))
