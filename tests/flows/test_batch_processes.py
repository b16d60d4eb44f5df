"""Batch prediction as real processes: killed, interrupted, two at once, on a full disk."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys

import psutil
import pytest

from flows._cli.checkout import ROOT
from tests.helpers.batch_files import records, write_files
from tests.helpers.batch_models import batch_models, integer_pairs
from tests.helpers.batch_runs import check_account, contents, predict
from tests.helpers.processes import finish, wait_for
from tests.helpers.settled import make_old


@pytest.fixture(scope="session")
def store(tmp_path_factory):
    return batch_models(tmp_path_factory).need("integers")


@pytest.fixture
def start(start_process, store, tmp_path):
    """Starts the command as a process."""

    def start(*flags, output="out", before="", **environment):
        command = [*flags, "--output", tmp_path / output, "--store", store, "--model", "integers"]
        code = f"{before}\nimport sys\nfrom flows.batch_predict import main\nsys.exit(main(sys.argv[1:]))"
        run = ["-c", code] if before else ["-m", "flows.batch_predict"]
        return start_process(*run, *command, **environment)

    return start


def parts(folder):
    return len(list(folder.glob(".work/*/*.part")))


def states(output):
    return {file["name"]: file["state"] for file in json.loads((output / "_run.json").read_text())["files"]}


def write_rows(path, n, seed=0):
    sources, targets = integer_pairs(n, seed)
    pairs = zip(sources, targets, strict=True)
    path.write_text("".join(json.dumps({"source": one, "target": other}) + "\n" for one, other in pairs))
    make_old(path)
    return path


@pytest.mark.slow
def test_a_folder_is_predicted_killed_resumed_and_extended_and_the_accounts_add_up_every_time(start, server, tmp_path):
    flags = (tmp_path / "in", "--chunk-rows", "16", "--runner.workers", "2")
    good, broken = write_files(tmp_path / "in", scale=4)
    out = tmp_path / "out"

    process = start(*flags)
    wait_for(lambda: len(list(out.rglob("*.account.json"))) >= 2 and parts(out) >= 2)
    servers = psutil.Process(process.pid).children(recursive=True)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert servers
    assert not psutil.wait_procs(servers, timeout=30)[1]
    finished = {name for name in good if (out / f"{name}.account.json").exists()}
    assert 2 <= len(finished) < len(good)
    for name in finished:
        check_account(out, name, good[name])
    n_parts = parts(out)
    assert n_parts

    code, said = finish(start(*flags, PREFECT_API_URL=server))
    assert code == 1
    assert "chunks of an ended run taken over" in said
    assert finished <= {name for name, state in states(out).items() if state == "keep"}
    resumed = sum(file.get("resumed_chunks", 0) for file in json.loads((out / "_run.json").read_text())["files"])
    assert 1 <= resumed <= n_parts
    for name, rows in good.items():
        check_account(out, name, rows)
    assert finish(start(*flags, output="never", PREFECT_API_URL=server))[0] == 1
    assert contents(out) == contents(tmp_path / "never")
    assert not [folder for folder in (out / ".work").iterdir() if folder.is_dir()]

    new = records(200, 77)
    (tmp_path / "in" / "new.jsonl").write_text("".join(json.dumps(row) + "\n" for row in new))
    make_old(tmp_path / "in" / "new.jsonl")
    for name in broken:
        (tmp_path / "in" / name).unlink()
    code, _ = finish(start(*flags, PREFECT_API_URL=server))
    assert code == 0
    assert {name for name, state in states(out).items() if state == "predict"} == {"new.jsonl"}
    for name, rows in {**good, "new.jsonl": new}.items():
        check_account(out, name, rows)
    assert {name: digest for name, digest in contents(out).items() if "new" not in name} == contents(tmp_path / "never")


@pytest.mark.slow
def test_two_runs_at_once_into_one_folder_do_no_harm(start, server, tmp_path):
    path = write_rows(tmp_path / "a.jsonl", 3000)
    both = [start(path, "--chunk-rows", "50", PREFECT_API_URL=server) for _ in range(2)]
    ended = [finish(process) for process in both]
    assert [code for code, _ in ended] == [0, 0]
    assert sum("another run writes to" in said for _, said in ended) <= 1
    assert sorted("1 unchanged" in said for _, said in ended) == [False, True]
    sources, targets = integer_pairs(3000)
    expected = [{"source": one, "target": other} for one, other in zip(sources, targets, strict=True)]
    check_account(tmp_path / "out", "a.jsonl", expected)


@pytest.mark.exhaustive
def test_two_commands_at_once_on_one_new_prefect_home_both_succeed(start, tmp_path):
    path = write_rows(tmp_path / "a.jsonl", 200)
    both = [start(path, output=name, PREFECT_HOME=str(tmp_path / "home")) for name in ("one", "other")]
    assert [finish(process)[0] for process in both] == [0, 0]
    assert contents(tmp_path / "one") == contents(tmp_path / "other")


@pytest.mark.slow
def test_an_interrupted_run_exits_with_130_and_the_next_one_goes_on_with_what_is_sound(start, server, tmp_path):
    path = write_rows(tmp_path / "a.jsonl", 6000)
    process = start(path, "--chunk-rows", "50", "--runner.workers", "2")
    wait_for(lambda: parts(tmp_path / "out") >= 4)
    servers = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "Traceback" not in said, said
    assert "run the same command again" in said
    assert not contents(tmp_path / "out")
    assert not psutil.wait_procs(servers, timeout=30)[1]
    damaged = min(tmp_path.glob("out/.work/*/*.part"))
    content = damaged.read_bytes()
    damaged.write_bytes(content[:1000] + bytes([content[1000] ^ 1]) + content[1001:])
    n_sound = parts(tmp_path / "out") - 1
    code, said = finish(start(path, "--chunk-rows", "50", "--runner.workers", "2", PREFECT_API_URL=server))
    assert code == 0
    assert f"{n_sound} chunks of an ended run taken over" in said
    assert finish(start(path, "--chunk-rows", "50", output="never", PREFECT_API_URL=server))[0] == 0
    assert contents(tmp_path / "out") == contents(tmp_path / "never")


@pytest.mark.slow
def test_a_run_of_many_chunks_ends_without_a_word_from_its_own_server(start, tmp_path):
    code, said = finish(start(write_rows(tmp_path / "a.jsonl", 6000), "--chunk-rows", "50"))
    assert code == 0
    assert "Error" not in said


FULL = """
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, ({0}, {0}))
"""


@pytest.mark.slow
def test_a_full_disk_ends_the_run_with_1_and_leaves_no_output_that_counts(start, server, tmp_path):
    """Too little room for a chunk, or for the whole output."""
    path, rooms = write_rows(tmp_path / "a.jsonl", 6000), (3_000, 60_000)
    flags = (path, "--chunk-rows", "500")
    full = [start(*flags, output=f"{n}", before=FULL.format(n), PREFECT_API_URL=server) for n in rooms]
    for room, process in zip(rooms, full, strict=True):
        code, said = finish(process)
        assert code == 1
        assert "make room" in said
        assert not list((tmp_path / str(room)).glob("a.jsonl.*"))
    outputs = (str(rooms[1]), "never")
    ended = [start(*flags, output=output, PREFECT_API_URL=server) for output in outputs]
    assert [finish(process)[0] for process in ended] == [0, 0]
    assert contents(tmp_path / outputs[0]) == contents(tmp_path / outputs[1])


def test_a_file_that_cannot_be_written_fails_alone_with_its_column_and_the_place_in_the_log(
    start, server, store, tmp_path
):
    """A column's dictionary holds a null: Arrow writes it to no Parquet file."""
    for case in (ROOT / "tests" / "cases" / "write_crash").iterdir():
        (tmp_path / "in").mkdir(exist_ok=True)
        make_old(shutil.copy(case, tmp_path / "in" / case.name))
    code, said = finish(start(tmp_path / "in", PREFECT_API_URL=server))
    assert code == 1
    assert states(tmp_path / "out") == {"a.jsonl": "predict", "b.arrow": "fail", "c.jsonl": "predict"}
    reason = f"{tmp_path / 'in' / 'b.arrow'} cannot be written: ArrowNotImplementedError: "
    assert f"FAILED: {reason}" in said
    assert "(column 'c' of type dictionary<" in said
    assert re.search(
        rf"ERROR .*{re.escape(reason)}.*; raised at tasks/storage/outputs/writers\.py:\d+, in .*pyarrow", said
    )
    assert "2 files predicted, 0 unchanged, 0 waiting, 1 failed" in said
    assert "1 file failed." in (tmp_path / "out" / "_report.html").read_text()
    assert [path.name for path in (tmp_path / "out" / ".work").iterdir()] == ["lock"]
    (tmp_path / "in" / "b.arrow").unlink()
    predict(store, tmp_path / "in", output=tmp_path / "without", model="integers")
    assert contents(tmp_path / "out") == contents(tmp_path / "without")


READ_ONLY = """
import errno, os, sys
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
CHANGING = ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink", "os.chmod", "os.utime")
def refuse(event, arguments):
    is_change = event in CHANGING or event == "open" and arguments[2] & WRITING
    if is_change and any({store!r} in os.fsdecode(one) for one in arguments if isinstance(one, (str, bytes, os.PathLike))):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), arguments[0])
sys.addaudithook(refuse)
"""


def test_a_store_that_can_only_be_read_is_enough_to_predict_from(start, server, store, tmp_path):
    """The hook stands for a mount that is read-only: the user who runs the tests may write anywhere."""
    path = write_rows(tmp_path / "a.jsonl", 200)
    before = contents(store)
    for code_before, words in (("", ()), (READ_ONLY.format(store=str(store)), ("--refresh",))):
        code, said = finish(start(path, *words, before=code_before, PREFECT_API_URL=server))
        assert code == 0, said
    assert contents(store) == before
    assert states(tmp_path / "out") == {"a.jsonl": "predict"}


FEW = """
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (160, 160))
"""


@pytest.mark.slow
def test_more_files_than_a_process_may_have_open_are_predicted(start, server, tmp_path):
    (tmp_path / "in").mkdir()
    for number in range(300):
        write_rows(tmp_path / "in" / f"{number}.jsonl", 5, number)
    code, said = finish(start(tmp_path / "in", before=FEW, PREFECT_API_URL=server))
    assert code == 0, said
    assert [*states(tmp_path / "out").values()] == ["predict"] * 300


def test_predicting_loads_no_tensorflow_and_without_news_no_model(start, server, tmp_path):
    path = write_rows(tmp_path / "a.jsonl", 20)
    for is_new in (True, False):
        code, said = finish(start(path, PREFECT_API_URL=server, PYTHONPROFILEIMPORTTIME="1"))
        imported = {line.split("|")[-1].strip() for line in said.splitlines() if line.startswith("import time:")}
        assert code == 0
        assert "pyarrow" in imported
        assert ("onnxruntime" in imported) == is_new
        assert not imported & {"tensorflow", "keras", "matplotlib"}


@pytest.mark.slow
def test_plan_help_and_a_refusal_start_no_server_and_load_no_tensorflow(start, tmp_path):
    path = write_rows(tmp_path / "a.jsonl", 20)
    home = tmp_path / "home"
    given = {"PREFECT_HOME": str(home), "PYTHONPROFILEIMPORTTIME": "1"}
    runs = [start(path, "--dry-run", **given), start(path, "--chunk-rows", "0", **given), start("--help", **given)]
    ended = [finish(process) for process in runs]
    assert [code for code, _ in ended] == [0, 2, 0]
    for _, said in ended:
        imported = {line.split("|")[-1].strip() for line in said.splitlines() if line.startswith("import time:")}
        assert not imported & {"tensorflow", "keras"}
    assert not list(home.glob("*.db"))
    assert not (tmp_path / "out").exists()


def test_a_bundle_from_another_machine_is_brought_in_and_predicts_the_same(
    own_server_environment, store, start, tmp_path
):
    bundle = next(path for path in (store / "bundle").iterdir() if not path.name.startswith("."))
    shutil.copytree(bundle, tmp_path / "carried")
    command = [
        sys.executable,
        "-m",
        "flows.import_bundle",
        str(tmp_path / "carried"),
        "--store",
        str(tmp_path / "other"),
    ]
    done = subprocess.run(command, cwd=ROOT, env=own_server_environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert bundle.name[:8] in done.stdout + done.stderr
    (tmp_path / "carried" / "manifest.json").write_text("{}")
    done = subprocess.run(command, cwd=ROOT, env=own_server_environment, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
