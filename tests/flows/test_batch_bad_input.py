"""What batch prediction refuses: one clear message, the right exit code, and nothing half-written."""

import json
import os
import re
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flows.batch_predict import main
from tests.helpers.batch_models import batch_models
from tests.helpers.batch_runs import contents


@pytest.fixture(scope="session")
def models(tmp_path_factory):
    models = batch_models(tmp_path_factory)
    models.need("integers", "wave")
    return models


@pytest.fixture
def refused(models, tmp_path, capsys):
    """Runs the command, which must refuse; gives what it said. Nothing may be left in `out`."""

    def refused(*flags, store=models.store, output="out"):
        where = ("--output", str(tmp_path / output)) if output else ()
        assert main([*map(str, flags), *where, "--store", str(store)]) == 2
        said = capsys.readouterr()
        assert "Traceback" not in said.out + said.err
        assert said.err.startswith("refused: ")
        assert not (tmp_path / "out").exists() or not (tmp_path / "out").is_dir() or not contents(tmp_path / "out")
        return said.err

    return refused


@pytest.fixture
def path(tmp_path):
    (tmp_path / "in").mkdir()
    path = tmp_path / "in" / "a.jsonl"
    path.write_text('{"source": [1, 2]}\n')
    return path


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (["--chunk-row", "5"], "did you mean '--chunk-rows'"),
        (["--modle", "integers"], "did you mean '--model'"),
        (["--decoding.beam_widht", "5"], "did you mean '--decoding.beam-width'"),
        (["--decoding", "beam"], "--decoding is a section"),
        (["--format", "xml"], "format"),
        (["--chunk-rows", "0"], "chunk_rows"),
        (["--runner.workers", "none"], "runner.workers"),
        (["--workers", "2"], "it is now --runner.workers"),
        (["--settle", "-1"], "settle"),
        (["--max-reject-rate", "2"], "max_reject_rate"),
        (["--origins", "some"], "origins"),
        (["--runner", "processes"], "set its keys: --runner.kind"),
        (["--runner.kind", "ray"], "runner.kind"),
        (["--runner.address", "tcp://10.0.0.1:8786"], "runner.address"),
        (["--drift-threshold", "0"], "drift_threshold"),
        (["--decoding.method", "beam", "--decoding.beam_width", "2", "--decoding.n_best", "3"], "n_best"),
        (["--decoding.n_best", "2"], "n_best"),
        (["--decoding.temperature", "0"], "decoding.temperature"),
        (["--source", "source", "--target", "source"], "two different columns"),
        (["--delimiter", "::"], "delimiter"),
        (["--config", "missing.toml"], "missing.toml cannot be read"),
        (["--summary", "/nowhere/at/all.json"], "--summary"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_settings_that_cannot_be_run_are_refused_before_any_work(flags, expected, refused, path):
    assert expected in refused(path, *flags, *([] if "--modle" in flags else ["--model", "integers"]))


def test_what_must_be_given_is_asked_for(refused, path):
    said = refused("--model", "integers", output=None)
    assert "no INPUT is given" in said
    assert "--output is required" in said


def test_all_faults_are_told_together(refused, path):
    said = refused(path, "--chunk-rows", "0", "--format", "xml", "--decoding.beam_width", "0", "--model", "integers")
    for part in ("chunk_rows", "format", "decoding.beam_width"):
        assert part in said


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["none.csv"], "none.csv does not exist"),
        (["in/a.jsonl", "none"], "none does not exist"),
        (["nowhere/*.csv"], "nowhere/*.csv"),
        (["a.txt"], "is of no known suffix ('.txt')"),
        (["a.parquet.gz"], "decompress it"),
        (["texts"], "holds no file of a known suffix, but b.txt"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_inputs_that_are_none_are_refused_before_any_work(names, expected, refused, path, tmp_path):
    for name in ("a.txt", "a.parquet.gz", "texts/b.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    said = refused(*(tmp_path / name for name in names), "--model", "integers")
    assert expected in said


def test_a_folder_that_is_empty_so_far_is_no_fault(run, models, tmp_path):
    (tmp_path / "in").mkdir()
    code, summary, _ = run(
        main, str(tmp_path / "in"), "--output", str(tmp_path / "out"), "--model", "integers", store=models.store
    )
    assert (code, summary["files"], summary["read"]) == (0, [], 0)


def test_an_output_that_is_a_file_is_refused(refused, path, tmp_path):
    (tmp_path / "out").write_text("mine")
    assert "is not a folder" in refused(path, "--model", "integers")
    assert "is not a folder" in refused(path, "--model", "integers", output="out/below")
    assert (tmp_path / "out").read_text() == "mine"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_an_output_that_cannot_be_written_is_refused(refused, path, tmp_path):
    (tmp_path / "shut").mkdir(mode=0o500)
    assert "cannot be written: no permission" in refused(path, "--model", "integers", output="shut/out")


@pytest.mark.parametrize("output", ["in", "in/out", "in/../in/deep/out", "link/out"])
def test_an_output_inside_an_input_folder_is_refused(output, refused, path, tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "in")
    said = refused(tmp_path / "in", "--model", "integers", output=output)
    assert "lies inside the input" in said
    assert "lies inside the input" in refused(tmp_path / "in" / "*.jsonl", "--model", "integers", output=output)
    assert [entry.name for entry in (tmp_path / "in").iterdir()] == ["a.jsonl"]


def test_two_inputs_that_would_write_the_same_output_are_refused(refused, path, tmp_path):
    (tmp_path / "more").mkdir()
    shutil.copy(path, tmp_path / "more" / "a.jsonl")
    said = refused(tmp_path / "in", tmp_path / "more", "--model", "integers")
    for part in (str(path), str(tmp_path / "more" / "a.jsonl"), "would both be written to"):
        assert part in said


def test_an_output_that_would_overwrite_an_input_is_refused(refused, tmp_path):
    table = pa.table({"source": [[1, 2]]})
    pq.write_table(table, tmp_path / "a.parquet")
    pq.write_table(table, tmp_path / "a.parquet.parquet")
    inputs = (tmp_path / "a.parquet", tmp_path / "a.parquet.parquet")
    before = [where.read_bytes() for where in inputs]
    said = refused(*inputs, "--model", "integers", "--output", tmp_path, output=None)
    assert "is an input itself" in said
    assert [where.read_bytes() for where in inputs] == before


# The model


@pytest.fixture
def own_store(models, tmp_path):
    """A store of its own, to be harmed; and the folder of its bundle."""
    shutil.copytree(models.store, tmp_path / "store")
    bundle = models.bundles["integers"]
    return tmp_path / "store", tmp_path / "store" / bundle.path.relative_to(models.store)


def test_a_model_that_is_not_there_is_refused_with_those_that_are(refused, path, tmp_path, models):
    said = refused(path, "--model", "nobody")
    assert "nobody is not a promoted name" in said
    assert "integers" in said
    assert "does not exist" in refused(path, "--model", str(tmp_path / "none"))
    assert "--model is required" in refused(path)
    assert "no model is promoted" in refused(path, store=tmp_path / "empty")
    assert not (tmp_path / "empty").exists()


def test_a_bundle_that_is_gone_is_refused(refused, path, own_store):
    store, folder = own_store
    shutil.rmtree(folder)
    assert str(folder) in refused(path, "--model", "integers", store=store)


@pytest.mark.parametrize("harm", ["altered", "cut", "missing"])
@pytest.mark.parametrize("name", ["encoder.onnx", "step.onnx", "encoder.keras"])
def test_a_bundle_that_was_altered_is_refused(name, harm, refused, path, own_store):
    store, folder = own_store
    weights = folder / name
    if harm == "missing":
        weights.unlink()
    else:
        content = bytearray(weights.read_bytes())
        content[len(content) // 2] ^= 1
        weights.write_bytes(bytes(content[:-1] if harm == "cut" else content))
    said = refused(path, "--model", "integers", store=store)
    assert weights.name in said


def test_a_bundle_of_a_newer_format_is_refused(refused, path, own_store):
    store, folder = own_store
    manifest = json.loads((folder / "manifest.json").read_text())
    name = next(name for name in manifest if "version" in name and isinstance(manifest[name], int))
    manifest[name] += 1
    (folder / "manifest.json").write_text(json.dumps(manifest))
    said = refused(path, "--model", "integers", store=store)
    assert "version" in said or "format" in said


def test_a_bundle_outside_the_store_is_refused_with_how_to_bring_it_in(refused, path, models, tmp_path):
    shutil.copytree(models.bundles["integers"].path, tmp_path / "bundle")
    said = refused(path, "--model", tmp_path / "bundle")
    assert "flows.import_bundle" in said


def test_a_name_that_leads_out_of_the_store_is_refused(refused, path):
    for name in ("../promotions", "..", "."):
        refused(path, "--model", name)


# Files that do not fit the model, found when each is looked at


@pytest.fixture
def failed(run, models, tmp_path):
    """Predicts one file, which must fail alone; gives the reason."""

    def failed(path, model="integers", *flags):
        code, summary, said = run(
            main, str(path), "--output", str(tmp_path / "out"), "--model", model, *flags, store=models.store
        )
        assert code == 1
        assert (summary["failed"], summary["read"]) == (1, 0)
        assert not contents(tmp_path / "out")
        reason = summary["files"][0]["reason"]
        assert str(path) in reason
        assert reason in said.replace("\n", " ") or reason in said
        return reason

    return failed


FILES = {
    "a.parquet": ({"source": ["1 x"]}, "none of its 1 rows can be used (source_type 1)"),
    "b.parquet": ({"source": [[1.5]]}, "column 'source' is of type list<"),
    "c.parquet": ({"question": [[1]]}, "column 'source' is not there"),
    "d.parquet": ({"source": [b"1"]}, "column 'source' is of type binary"),
}


def test_columns_of_other_types_than_the_models_fail_each_alone(run, models, tmp_path):
    (tmp_path / "in").mkdir()
    for name, (columns, _) in FILES.items():
        pq.write_table(pa.table(columns), tmp_path / "in" / name)
    code, summary, _ = run(
        main, str(tmp_path / "in"), "--output", str(tmp_path / "out"), "--model", "integers", "--settle", "0",
        store=models.store,
    )  # fmt: skip
    assert (code, summary["failed"]) == (1, len(FILES))
    for file in summary["files"]:
        assert FILES[file["name"]][1] in file["reason"]
        assert str(tmp_path / "in" / file["name"]) in file["reason"]
    assert {name.split(".")[0] for name in contents(tmp_path / "out")} == {"a"}  # its rejects, and its account


def test_a_plan_says_of_a_name_that_is_no_text_that_its_file_would_fail_and_what_would_be_done_with_the_others(
    models, path, capsys
):
    fields = [pa.field("source", pa.list_(pa.int64())), pa.field(b"caf\xe9", pa.int64())]
    pq.write_table(pa.Table.from_arrays([[[1]], [2]], schema=pa.schema(fields)), path.parent / "b.parquet")
    out = path.parent.parent / "out"
    flags = [str(path.parent), "--output", str(out), "--model", "integers", "--store", str(models.store)]
    assert main([*flags, "--settle", "0", "--dry-run"]) == 1
    said = capsys.readouterr()
    assert re.search(r"a\.jsonl +predict +not predicted yet", said.out)
    assert f"FAIL: {path.parent / 'b.parquet'}: the name of a column is not UTF-8 ('caf\\xe9'); rename it" in said.out
    assert "Traceback" not in said.out + said.err
    assert not out.exists()


def test_a_file_for_a_model_of_another_encoding_fails(failed, tmp_path):
    (tmp_path / "a.csv").write_text("source,target\n1 2,3\n")
    assert "column 'level' is not there" in failed(tmp_path / "a.csv", "wave")


def test_a_setting_that_is_wrong_for_a_file_is_named_as_the_command_has_it(failed, tmp_path):
    (tmp_path / "a.csv").write_text("question,answer\n1 2,3\n")
    reason = failed(tmp_path / "a.csv", "integers", "--source", "questoin")
    assert "'questoin' is not there" in reason
    assert "--source" in reason
    assert "data.source" not in reason


def test_an_npz_that_would_run_code_is_not_opened(failed, tmp_path):
    np.savez(tmp_path / "a.npz", source=np.array([[1, 2], [3]], dtype=object))
    assert failed(tmp_path / "a.npz")


def test_help_names_inputs_settings_and_an_example(capsys):
    assert main(["--help"]) == 0
    said = capsys.readouterr().out
    for text in ("INPUT...", "--output DIR", "--model", "--decoding.n-best", "--dry-run", "--help-all", "example:"):
        assert text in said
    assert "--chunk-rows" not in said
