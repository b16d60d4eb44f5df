"""Batch prediction as a command: folders of files in, predictions and accounts out, night after night."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from prefect.client.orchestration import get_client

from flows.batch_predict import main
from tests.helpers.batch_files import records, write_files
from tests.helpers.batch_models import batch_models, integer_pairs
from tests.helpers.batch_runs import check_account, column, contents, rows_of
from tests.helpers.settled import make_old


@pytest.fixture(scope="session")
def store(tmp_path_factory):
    return batch_models(tmp_path_factory).need("integers")


@pytest.fixture
def batch(run, store, tmp_path):
    """Runs the command into `out`; gives exit code, summary, and what it said."""

    def batch(*flags, output=tmp_path / "out", model="integers"):
        return run(main, *map(str, flags), "--output", str(output), "--model", model, store=store)

    return batch


def write_jsonl(path, sources, **more):
    columns = {"source": sources, **more}
    rows = (dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True))
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_a_folder_of_all_formats_is_predicted_and_every_row_is_accounted_for(batch, tmp_path):
    good, broken = write_files(tmp_path / "in")
    assert len(good) + len(broken) >= 20
    code, summary, said = batch(tmp_path / "in", "--chunk-rows", "64")
    assert code == 1
    out = tmp_path / "out"
    for name, rows in good.items():
        check_account(out, name, rows)
    states = {file["name"]: file for file in summary["files"]}
    assert [*states] == sorted([*good, *broken])
    for name, text in broken.items():
        assert states[name]["state"] == "fail"
        assert text in states[name]["reason"], name
        assert str(tmp_path / "in" / name) in states[name]["reason"]
        assert text in said
        assert not list(out.glob(f"{name}.*"))
    assert summary["read"] == sum(map(len, good.values())) == summary["predicted"] + summary["rejected"]
    rejected = sum(not isinstance(row, dict) for rows in good.values() for row in rows)
    assert (summary["rejected"], summary["failed"], summary["predicted_files"]) == (rejected, len(broken), len(good))
    assert f"{summary['read']:,} rows read = {summary['predicted']:,} predicted + {rejected:,} rejected" in said
    assert json.loads((out / "_run.json").read_text())["files"] == summary["files"]
    left = {path.name for path in out.rglob("*") if path.is_file() and ".work" not in path.parts}
    assert not [name for name in left if name.endswith(".tmp")]
    assert not [path for path in (out / ".work").iterdir() if path.is_dir()]

    for name in broken:
        (tmp_path / "in" / name).unlink()
    before = contents(out)
    code, summary, _ = batch(tmp_path / "in", "--chunk-rows", "64")
    assert (code, summary["kept_files"], summary["predicted_files"]) == (0, len(good), 0)
    assert contents(out) == before


def test_a_new_file_is_picked_up_alone_and_the_accounts_add_up(batch, tmp_path):
    (tmp_path / "in" / "sub").mkdir(parents=True)
    first = records(30, 1)
    pq.write_table(pa.Table.from_pylist(first), tmp_path / "in" / "sub" / "a.parquet")
    make_old(tmp_path / "in" / "sub" / "a.parquet")
    assert batch(tmp_path / "in")[0] == 0
    before = (tmp_path / "out" / "sub" / "a.parquet.parquet").stat().st_mtime_ns
    second = records(20, 2)
    path = write_jsonl(tmp_path / "in" / "b.jsonl", [row["source"] for row in second], id=[row["id"] for row in second])
    code, summary, said = batch(tmp_path / "in")
    assert (code, summary["waiting_files"], summary["kept_files"]) == (0, 1, 1)
    assert "may be half written" in said
    assert not (tmp_path / "out" / "b.jsonl.parquet").exists()
    make_old(path)
    code, summary, _ = batch(tmp_path / "in")
    assert (code, summary["predicted_files"], summary["kept_files"], summary["read"]) == (0, 1, 1, 50)
    check_account(tmp_path / "out", "sub/a.parquet", first)
    check_account(tmp_path / "out", "b.jsonl", [{"source": row["source"], "id": row["id"]} for row in second])
    assert (tmp_path / "out" / "sub" / "a.parquet.parquet").stat().st_mtime_ns == before


def test_a_dry_run_says_what_would_be_done_and_why_and_does_nothing(batch, tmp_path, monkeypatch):
    monkeypatch.setattr("flows._cli.flow_work.FlowWork._run", pytest.fail)
    monkeypatch.setattr("flows._cli.flow_work._find_server", pytest.fail)
    (tmp_path / "in").mkdir()
    write_jsonl(tmp_path / "in" / "a.jsonl", [[1]])
    make_old(tmp_path / "in" / "a.jsonl")
    write_jsonl(tmp_path / "in" / "b.jsonl", [[1]])
    code, summary, said = batch(tmp_path / "in", "--dry-run")
    assert (code, summary) == (0, None)
    lines = [line.split(maxsplit=2) for line in said.splitlines() if re.match(r"\w+\.jsonl", line)]
    assert [line[:2] for line in lines] == [["a.jsonl", "predict"], ["b.jsonl", "wait"]]
    assert "not predicted yet" in lines[0][2]
    assert not (tmp_path / "out").exists()
    (tmp_path / "in" / "c.csv").write_text("")
    code, _, said = batch(tmp_path / "in", "--dry-run", "--settle", "0")
    assert code == 1
    assert "c.csv is empty (0 bytes)" in said


def test_refresh_predicts_all_again_to_the_same_bytes(batch, tmp_path):
    path = write_jsonl(tmp_path / "a.jsonl", integer_pairs(30)[0])
    batch(path)
    before = contents(tmp_path / "out")
    code, summary, _ = batch(path, "--refresh")
    assert (code, summary["predicted_files"], summary["kept_files"]) == (0, 1, 0)
    assert contents(tmp_path / "out") == before


def test_the_summary_and_the_folder_say_what_the_model_and_the_scores_are(batch, tmp_path):
    sources, targets = integer_pairs(60, seed=4)
    path = write_jsonl(tmp_path / "a.jsonl", sources, target=targets)
    _, summary, said = batch(path)
    right = sum(row["prediction"] == row["target"] for row in rows_of(tmp_path / "out" / "a.jsonl.parquet"))
    assert summary["scored"]["n_correct"] == right
    assert summary["scored"]["sequence_accuracy"] == pytest.approx(right / 60)
    assert summary["scored"] == summary["scored_now"]
    assert "scored: " in said
    assert summary["model"]["name"] == "integers"
    _, summary, _ = batch(path)
    assert summary["scored"]["n_correct"] == right
    assert summary["scored_now"] is None


async def _artifacts():
    async with get_client() as client:
        return {artifact.key: artifact.data for artifact in await client.read_latest_artifacts()}


def test_the_page_and_prefects_artifact_hold_the_accounts(batch, tmp_path):
    import asyncio

    (tmp_path / "in").mkdir()
    write_jsonl(tmp_path / "in" / "a.jsonl", [[1, 2], [], [3]])
    (tmp_path / "in" / "b|c.csv").write_text('id,source\n1,"2\n')
    code, summary, _ = batch(tmp_path / "in", "--settle", "0")
    assert code == 1
    artifacts = asyncio.run(_artifacts())
    artifact = artifacts["batch-predict"]
    page = Path(summary["report"]).read_text(encoding="utf-8")
    assert summary["report"] == str(tmp_path / "out" / "_report.html")
    assert "2 of 3 rows predicted, 1 rejected" in artifact
    assert "| `a.jsonl` | predicted | 3 | 2 | 1 |" in artifact
    assert "never closed" in artifact
    assert "b\\|c.csv" in artifact
    first, second = json.loads(artifacts["batch-predict-accounts"])
    assert (first["file"], first["read"], first["predicted"], first["rejected"]) == ("a.jsonl", 3, 2, 1)
    assert "never closed" in second["why"]
    assert Path(summary["report"]).as_uri() in artifacts["batch-predict-page"]
    for text in ("a.jsonl", "source empty", "never closed", "b|c.csv"):
        assert text in page, text


def test_rejects_fail_a_run_only_above_the_rate_that_is_allowed(batch, tmp_path):
    path = write_jsonl(tmp_path / "a.jsonl", [[1], [], [2], [3]])
    for flags, expected in ((), 0), (("--max-reject-rate", "0.25"), 0), (("--max-reject-rate", "0.2"), 1):
        code, summary, _ = batch(path, *flags)
        assert code == expected, flags
        assert summary["above_reject_rate"] == (["a.jsonl"] if expected else [])
    assert (tmp_path / "out" / "a.jsonl.parquet").exists()


@pytest.mark.parametrize("shift", ["none", "lengths", "symbols"])
def test_a_shifted_day_is_reported_and_fails_where_that_was_asked_for(shift, batch, tmp_path):
    sources, _ = integer_pairs(500, seed=8)
    if shift == "lengths":
        sources = [(source * 6)[:6] for source in sources]
    elif shift == "symbols":
        sources = [[1000 + value for value in source] for source in sources]
    path = write_jsonl(tmp_path / "a.jsonl", sources)
    code, summary, said = batch(path, "--fail-on-drift")
    found = {measure["name"]: measure for measure in summary["drift"]}
    assert summary["shifted"] == (shift != "none")
    assert code == (1 if shift != "none" else 0)
    if shift == "lengths":
        assert found["source_length"]["verdict"] == "shifted"
        assert found["source_length"]["now_value"] == 6
        assert "drift: source length shifted" in said
    elif shift == "symbols":
        assert found["unknown_symbols"]["verdict"] == "shifted"
        assert found["unknown_symbols"]["now_value"] == 1
    else:
        assert {measure["verdict"] for measure in found.values()} <= {"stable", "moderate"}
    assert found["source_length"]["name"].replace("_", " ") in Path(summary["report"]).read_text().replace("_", " ")
    code, again, _ = batch(path, "--refresh")
    assert code == 0
    assert again["drift"] == summary["drift"]


def test_a_higher_threshold_lets_a_day_pass(batch, tmp_path):
    path = write_jsonl(tmp_path / "a.jsonl", [(source * 6)[:6] for source in integer_pairs(500, seed=8)[0]])
    assert batch(path, "--fail-on-drift", "--drift-threshold", "1000")[0] == 0


def test_inputs_stand_anywhere_among_the_flags(run, store, tmp_path):
    one, other = (write_jsonl(tmp_path / f"{name}.jsonl", [[1]]) for name in "ab")
    flags = [
        "--runner.workers", "1", str(one), "--output", str(tmp_path / "out"), "--token-log-probabilities", str(other),
        "--model=integers",
    ]  # fmt: skip
    code, summary, _ = run(main, *flags, store=store)
    assert code == 0
    assert [file["name"] for file in summary["files"]] == ["a.jsonl", "b.jsonl"]


def test_a_pattern_names_files_and_outputs_lie_below_what_stands_before_it(batch, tmp_path):
    for name in ("in/x/a.jsonl", "in/y/a.jsonl", "in/y/b.jsonl"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        write_jsonl(tmp_path / name, [[1]])
    code, summary, _ = batch(tmp_path / "in" / "*" / "a.jsonl", "--settle", "0")
    assert code == 0
    assert [file["name"] for file in summary["files"]] == ["x/a.jsonl", "y/a.jsonl"]
    assert (tmp_path / "out" / "x" / "a.jsonl.parquet").exists()


def test_one_file_named_in_two_ways_is_predicted_once(batch, tmp_path):
    path = write_jsonl(tmp_path / "a.jsonl", [[1]])
    _, summary, _ = batch(path, tmp_path / "*.jsonl", tmp_path, output=tmp_path.parent / f"{tmp_path.name}-out")
    assert [file["state"] for file in summary["files"]] == ["predict"]


def test_paths_of_a_toml_are_relative_to_it_and_flags_win(run, store, tmp_path, monkeypatch):
    folder = tmp_path / "job"
    (folder / "in").mkdir(parents=True)
    write_jsonl(folder / "in" / "a.jsonl", [[1, 2, 3]])
    (folder / "night.toml").write_text(
        'inputs = ["in"]\noutput = "out"\nmodel = "integers"\nsettle = 0\nformat = "csv"\n[decoding]\nmethod = "beam"\nbeam_width = 3\n'
    )
    code, summary, _ = run(main, "--config", str(folder / "night.toml"), "--decoding.n_best", "2", store=store)
    assert code == 0
    assert (folder / "out" / "a.jsonl.csv").exists()
    assert (summary["decoding"]["beam_width"], summary["decoding"]["n_best"]) == (3, 2)
    monkeypatch.setenv("SEQ2SEQ_FORMAT", "jsonl")
    monkeypatch.setenv("SEQ2SEQ_DECODING__N_BEST", "3")
    _, summary, _ = run(main, "--config", str(folder / "night.toml"), store=store)
    assert (folder / "out" / "a.jsonl.jsonl").exists()
    assert not (folder / "out" / "a.jsonl.csv").exists()
    assert summary["decoding"]["n_best"] == 3


def test_flags_are_relative_to_the_current_folder(run, store, tmp_path, monkeypatch):
    write_jsonl(tmp_path / "a.jsonl", [[1]])
    monkeypatch.chdir(tmp_path)
    code, summary, _ = run(main, "a.jsonl", "--output", "out", "--model", "integers", store=store)
    assert code == 0
    assert summary["output"] == str(tmp_path / "out")
    assert summary["files"][0]["input"] == str(tmp_path / "a.jsonl")


def test_a_model_is_named_by_digest_or_folder_too_and_an_output_stays_valid(batch, store, tmp_path, tmp_path_factory):
    bundle = batch_models(tmp_path_factory).bundles["integers"]
    path = write_jsonl(tmp_path / "a.jsonl", [[1]])
    states = [
        batch(path, model=name)[1]["files"][0]["state"] for name in ("integers", bundle.digest[:10], str(bundle.path))
    ]
    assert states == ["predict", "keep", "keep"]


def test_the_only_promoted_model_need_not_be_named(run, store, tmp_path):
    kept = tmp_path / "store"
    shutil.copytree(store, kept)
    for path in (kept / "promotions").iterdir():
        if not path.name.startswith("integers"):
            path.unlink() if path.is_file() else shutil.rmtree(path)
    path = write_jsonl(tmp_path / "a.jsonl", [[1]])
    code, summary, _ = run(main, str(path), "--output", str(tmp_path / "out"), store=kept)
    assert (code, summary["model"]["name"]) == (0, "integers")


def test_workers_and_chunks_of_the_real_runner_change_no_byte(batch, tmp_path):
    path = write_jsonl(tmp_path / "a.jsonl", integer_pairs(300, seed=3)[0])
    for workers in (1, 4):
        batch(path, "--runner.workers", workers, "--chunk-rows", "40", output=tmp_path / str(workers))
    assert contents(tmp_path / "1") == contents(tmp_path / "4")
    batch(path, output=tmp_path / "whole")
    one, other = (column(tmp_path / name / "a.jsonl.parquet", "log_probability") for name in ("1", "whole"))
    assert one == other
    assert len(set(np.round(other, 4))) > 10


def test_a_file_beside_a_broken_one_is_predicted_in_the_same_run(batch, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.csv").write_text('id,source\n1,2\n2,"3\n')
    write_jsonl(tmp_path / "in" / "b.jsonl", [[1]])
    code, summary, said = batch(tmp_path / "in", "--settle", "0")
    assert (code, summary["failed"], summary["predicted_files"]) == (1, 1, 1)
    assert "never closed" in said
    assert batch(tmp_path / "in", "--settle", "0")[0] == 1
    (tmp_path / "in" / "a.csv").write_text("id,source\n1,2\n2,3\n")
    code, summary, _ = batch(tmp_path / "in", "--settle", "0")
    assert (code, summary["predicted_files"], summary["kept_files"]) == (0, 1, 1)


def test_rows_are_checked_before_they_are_predicted_and_a_rule_that_fails_leaves_nothing_predicted(batch, tmp_path):
    sources = [[99, 1]] * 30 + integer_pairs(170, seed=8)[0]
    write_jsonl(tmp_path / "in.jsonl", sources)
    limits = ("--checks.max-unknown", "0.1", "--checks.max-duplicates", "0.9")
    code, _, said = batch(tmp_path / "in.jsonl", *limits, "--checks.fail", "unknown")
    assert code == 1
    assert "check 'unknown' of the rows to predict failed: 15 % of rows hold source symbols" in said
    assert "take unknown out of checks.fail to be warned only" in said
    assert not list((tmp_path / "out").glob("in.jsonl.*"))
    code, summary, said = batch(tmp_path / "in.jsonl", *limits)
    assert code == 0
    assert {one["rule"]: one["level"] for one in summary["checks"]}["unknown"] == "warning"
    assert "check unknown of the first rows: warning" in said
    assert "Checks of the first rows" in (tmp_path / "out" / "_report.html").read_text()


def test_only_so_many_rows_are_checked_as_are_asked_for_shared_among_the_files(batch, tmp_path):
    (tmp_path / "in").mkdir()
    for name in "ab":
        make_old(write_jsonl(tmp_path / "in" / f"{name}.jsonl", integer_pairs(50)[0]))
    _, summary, _ = batch(tmp_path / "in", "--checks.sample-rows", "20")
    assert {one["rule"]: one["message"] for one in summary["checks"]}["rows"].startswith("20 usable rows")
    _, summary, _ = batch(tmp_path / "in", "--checks.sample-rows", "0", "--refresh")
    assert summary["checks"] == []
