"""The pages for operators: their commands do what they say, in their order, and their units are units."""

import base64
import contextlib
import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest

from flows.batch_predict import main as batch_predict
from tasks.generate import generate_dataset
from tasks.seq2seq.errors import ArtifactError
from tasks.seq2seq.settings.rules import check_experiment
from tasks.storage.artifacts.bundle_import import import_bundle
from tasks.storage.artifacts.holdout import fixed_holdout
from tasks.storage.artifacts.registry import find_bundle
from tasks.storage.store.artifact_store import Store
from tasks.storage.store.inventory import take_inventory
from tasks.storage.store.promotions import promote, read_promotions
from tests.conftest import ROOT
from tests.helpers.batch_models import batch_models
from tests.helpers.batch_runs import contents, predict, write_report
from tests.helpers.chains import chain
from tests.helpers.operations import FILES, GUIDE, LABELLED, Machine, commands, end, until

IN_TESTS = {
    "postgres",
    "sqlite",
    "backup",
    "restore",
    "rename",
    "import",
    "prune",
    "look",
    "pages",
    "shrink",
    "failed",
    "age",
    "rollback",
}
ANOTHER = check_experiment({"data": {"problem": "copy", "n_in": 3, "cardinality": 9, "n_samples": 50}})


@pytest.fixture
def machine(tmp_path):
    """A machine without a database."""
    return Machine(tmp_path)


@pytest.fixture
def store(machine, tmp_path_factory):
    """The machine's store, with a promoted model of integers."""
    shutil.copytree(batch_models(tmp_path_factory).need("integers"), machine.state / "store")
    return Store(machine.state / "store")


@pytest.fixture
def inbox(tmp_path):
    """A folder with a file to predict."""
    (tmp_path / "inbox").mkdir()
    (tmp_path / "inbox" / "a.jsonl").write_text('{"source": [1, 2, 3]}\n{"source": [4, -1]}\n')
    return tmp_path / "inbox"


def test_each_command_of_the_guide_is_run_by_a_test_or_says_why_not():
    assert len(LABELLED) == GUIDE.count("```sh\n")
    assert {name for kind, name, _ in LABELLED if kind == "run"} == IN_TESTS
    assert all(len(name.split()) >= 2 for kind, name, _ in LABELLED if kind == "by hand")


def test_the_worker_takes_from_the_work_pool_that_prefect_yaml_names():
    pools = set(re.findall(r"work_pool:\n +name: (\S+)", (ROOT / "prefect.yaml").read_text()))
    assert pools == {re.search(r"--pool (\S+)", FILES["nightly-seq2seq-worker.service"])[1]}
    assert all(f"work-pool {verb} {pool}" in GUIDE for pool in pools for verb in ("create", "inspect"))


@pytest.mark.parametrize("unit", FILES)
def test_systemd_accepts_the_unit_and_finds_it_confined(unit, machine, tmp_path):
    if not shutil.which("systemd-analyze"):
        pytest.skip("no systemd-analyze here")
    path = tmp_path / unit
    path.write_text(machine.here(FILES[unit]))
    for check in (["verify"], ["security", "--offline=true", "--threshold=50"]):
        done = subprocess.run(["systemd-analyze", *check, path], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        assert not done.stderr


def test_a_backup_that_is_taken_while_artifacts_appear_holds_all_that_it_names(machine, store):
    (block,) = commands("backup")
    begin, rest = block.split("tar -cf", 2)[:2], block.split("tar -cf", 2)[2]
    machine.run("tar -cf".join(begin))
    later = generate_dataset.fn(ANOTHER, store.root)
    (store.root / "bundle" / ".making-0").mkdir()
    machine.run(f"{begin[0]}tar -cf{rest}")
    shutil.rmtree(store.root)
    machine.run(*commands("restore"))
    assert later.path.is_dir()  # more than was named, never less
    for path in store.root.glob("keys/*.json"):
        store.open(path.name.split("-")[0], json.loads(path.read_text())["digest"])
    assert find_bundle(store, "integers").name == "integers"
    assert {path.name for path in store.root.iterdir()} >= {"bundle", "keys", "promotions"}
    assert not list(store.root.rglob(".*"))


def test_a_store_and_an_output_folder_hold_on_another_machine(machine, store, inbox, tmp_path, capsys):
    made = generate_dataset.fn(ANOTHER, store.root)
    predict(store.root, inbox, output=tmp_path / "out", model="integers")
    moved, again = tmp_path / "moved", tmp_path / "again"
    store.root.rename(moved)
    inbox.rename(tmp_path / "letters")
    (tmp_path / "out").rename(again)
    found: Any = generate_dataset.fn(ANOTHER, moved)  # a state, since it was found
    assert (found.name, found.data.digest) == ("Cached", made.digest)
    flags = ["--output", str(again), "--model", "integers", "--store", str(moved), "--settle", "0", "--dry-run"]
    assert batch_predict([str(tmp_path / "letters"), *flags]) == 0
    assert re.search(r"a\.jsonl +keep +nothing changed", capsys.readouterr().out)


def test_a_store_of_an_older_version_is_whole_again_when_its_folders_are_renamed(machine, store):
    before = {path.relative_to(store.root) for path in store.root.rglob("*")}
    for manifest in list(store.root.glob("*/*/manifest.json")):
        manifest.parent.rename(manifest.parent.with_name(manifest.parent.name[:16]))
    with pytest.raises(ArtifactError, match="has a name of an older version"):
        find_bundle(store, "integers")
    with pytest.raises(ArtifactError, match="has a name of an older version"):
        fixed_holdout(store, "integers")
    for _ in range(2):  # again is no harm
        machine.run(*commands("rename"))
        assert {path.relative_to(store.root) for path in store.root.rglob("*")} == before
    assert find_bundle(store, "integers").name == "integers"
    assert fixed_holdout(store, "integers")


@pytest.mark.slow
def test_every_bundle_of_a_store_can_be_imported_into_another(machine, store):
    machine.run(*commands("import"))
    other = Store(machine.state / "other")
    digest = find_bundle(store, "integers").bundle.digest
    assert find_bundle(other, digest).bundle.digest == digest


def test_a_model_predicts_the_same_when_what_the_guide_removes_is_gone(machine, store, inbox, tmp_path):
    output = machine.state / "predictions"
    predict(store.root, inbox, output=output, model="integers")
    before = contents(output)
    for n, days in enumerate((89, 91)):
        chain(store, n, days=days)
    moved = machine.state / "moved"  # so that this process does not hold what it has made
    shutil.copytree(store.root, moved)
    shutil.rmtree(store.root)
    moved.rename(store.root)
    (output / ".work" / "old").mkdir(exist_ok=True)
    os.utime(output / ".work" / "old", (time.time() - 8 * 86_400,) * 2)
    said = machine.run(*commands("prune"))
    assert "would go: 7 of" in said
    assert "removed: 7 of" in said
    assert not (output / ".work" / "old").exists()
    assert {path.parent.name for path in store.root.glob("*/*/content.txt")} == {
        one.digest for one in take_inventory(store).artifacts if one.name == "g2p"
    }
    predict(store.root, inbox, output=output, model="integers", refresh=True)
    assert contents(output) == before


def test_the_guides_look_at_a_store_lists_it_and_finds_it_whole(machine, store):
    said = machine.run(*commands("look"))
    assert "serves as 'integers'" in said
    assert "all are as they were written" in said


def test_the_guides_pages_of_a_store_are_written_into_it(machine, store, inbox):
    output = machine.state / "predictions"
    jobs = predict(store.root, inbox, output=output, model="integers")
    write_report(store.root, jobs, inbox, output=output, model="integers")
    said = machine.run(*commands("pages"))
    (page,) = store.root.rglob("index.html")
    assert str(page) in said
    assert "integers" in page.read_text()


def test_the_guides_way_back_leads_to_the_model_before(machine, store, tmp_path_factory):
    before = read_promotions(store, "integers").promoted
    batch_models(tmp_path_factory).need("tiny")
    other = find_bundle(Store(batch_models(tmp_path_factory).store), "tiny").bundle
    import_bundle(store, other.path)
    promote(store, "integers", other.digest, "it was new")
    said = machine.run(*commands("rollback"))
    assert read_promotions(store, "integers").promoted == before
    assert "wrong stress since Monday" in said


def test_each_folder_of_a_store_is_in_the_guides_table_of_what_may_go(store):
    table = GUIDE.split("who refers to it")[1]
    for folder in store.root.iterdir():
        assert f"`{folder.name}/*`" in table, folder.name


def test_the_guides_signs_tell_a_good_run_from_a_bad_and_an_old_one(machine, store, inbox):
    output = machine.state / "predictions"

    def run():
        jobs = predict(store.root, inbox, output=output, model="integers")
        write_report(store.root, jobs, inbox, output=output, model="integers")

    run()
    assert not machine.run(*commands("failed"))
    assert not machine.run(*commands("age"))
    (inbox / "b.jsonl").write_text("")
    run()
    machine.run(*commands("failed"), fails=True)
    os.utime(output / "_run.json", (time.time() - 26 * 3600,) * 2)
    assert "_run.json" in machine.run(*commands("age"))


def test_a_database_of_sqlite_becomes_smaller_when_it_is_written_anew(machine):
    (machine.state / "prefect").mkdir(exist_ok=True)
    path = machine.state / "prefect" / "prefect.db"
    with contextlib.closing(sqlite3.connect(path)) as opened, opened:
        opened.execute("create table run (name)")
        opened.executemany("insert into run values (?)", [("x" * 1000,)] * 1000)
        opened.execute("delete from run where rowid > 10")
    before = path.stat().st_size
    machine.run(*commands("shrink"))
    assert path.stat().st_size < before / 10
    with contextlib.closing(sqlite3.connect(path)) as opened:
        assert opened.execute("select count(*) from run").fetchone() == (10,)


def test_a_database_of_sqlite_is_copied_while_it_is_open(machine):
    (machine.state / "prefect").mkdir()
    with contextlib.closing(sqlite3.connect(machine.state / "prefect" / "prefect.db")) as opened:
        opened.execute("create table run (name)")
        opened.execute("insert into run values ('nightly')")
        opened.commit()
        machine.run(*commands("sqlite"))
    with contextlib.closing(sqlite3.connect(machine.backup / "prefect.db")) as copy:
        assert copy.execute("select name from run").fetchall() == [("nightly",)]


@pytest.fixture
def database():
    """A machine with a PostgreSQL of its own, whose superuser needs no password; others do."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    assert programs, "these tests need Debian's postgresql"
    user: dict[str, Any] = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}
    with tempfile.TemporaryDirectory() as folder:  # not pytest's, in which another user can read nothing
        machine, cluster = Machine(Path(folder)), Path(folder) / "cluster"
        machine.root.chmod(0o777)
        auth = ["--auth-local=trust", "--auth-host=scram-sha-256", "--no-sync", "-U", "postgres"]
        subprocess.run([programs[-1] / "initdb", "-D", cluster, *auth], check=True, cwd="/", **user)
        listens = [
            "-p",
            str(machine.database_port),
            "-k",
            folder,
            "-c",
            "listen_addresses=127.0.0.1",
            "-c",
            "fsync=off",
        ]
        process = subprocess.Popen([programs[-1] / "postgres", "-D", cluster, *listens], cwd="/", **user)
        try:
            until((machine.root / f".s.PGSQL.{machine.database_port}").exists)
            yield machine
        finally:
            process.send_signal(signal.SIGQUIT)  # at once
            process.wait()


@pytest.mark.postgres
def test_the_guide_from_passwords_to_restore_holds_on_postgresql(database):
    """The blocks in their order, the server and the worker as their units start them."""
    machine, log = database, database.root / "prefect.log"
    *first, create_pool, deploy, by_hand, dump, restore, watch = commands("postgres")
    for block in first:
        machine.run(block)
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in machine.settings.iterdir())
    with served(machine, log):
        check_access(machine)
        machine.run(create_pool)
        assert "nightly" in machine.run(deploy)
        assert "1000 training" in machine.run(by_hand)
        said = machine.run(by_hand.replace("; cd", "; PREFECT_API_AUTH_STRING=nightly:old; cd", 1), fails=True)
        assert "refused: the Prefect server" in said
        with worker(machine, log):
            run_on_schedule(machine)
        machine.run(dump)
    n_runs = count_runs(machine)
    machine.run(restore)
    assert count_runs(machine) == n_runs >= 2
    with served(machine, log):
        said = machine.run(watch)
        assert "nightly-seq2seq" in said


@contextlib.contextmanager
def served(machine, log):
    """The server that the unit starts, while it answers."""
    process = machine.start("nightly-seq2seq-server.service", log)
    try:
        until(lambda: process.poll() is not None or machine.ask("ready") == 200)
        assert process.poll() is None, log.read_text()
        yield
    finally:
        end(process, signal.SIGINT)


@contextlib.contextmanager
def worker(machine, log):
    """The worker that the unit starts; it ends when systemd tells it to."""
    process = machine.start("nightly-seq2seq-worker.service", log)
    try:
        yield
    finally:
        code = end(process)
    assert code == 0, log.read_text()


def check_access(machine):
    """Without the password nothing, with it all but changes from a web page, which has no token."""
    password = re.search(r"AUTH_STRING=(.*)", (machine.settings / "worker.env").read_text())[1]
    with_password = {"Authorization": f"Basic {base64.b64encode(password.encode()).decode()}"}
    assert machine.ask("health") == 200
    assert machine.ask("admin/version") == 401
    assert machine.ask("admin/version", **with_password) == 200
    assert machine.ask("flows/filter", method="POST", **with_password) == 403


def run_on_schedule(machine):
    """A flow that is scheduled is run by the worker, and Prefect says so."""
    machine.run(
        "( set -a; . /etc/nightly-seq2seq/worker.env; cd /opt/nightly-seq2seq; .venv/bin/python - <<END\n"
        "from flows.generate_datasets import generate_datasets\n"
        "at = 'flows/generate_datasets.py:generate_datasets'\n"
        "flow = generate_datasets.from_source(source='/opt/nightly-seq2seq', entrypoint=at)\n"
        "flow.deploy(name='test', work_pool_name='nightly-seq2seq', interval=10, parameters={\n"
        "    'store': '/var/lib/nightly-seq2seq/store', 'experiment': {'data': {'n_samples': 500}}})\n"
        "END\n)"
    )
    until(lambda: query(machine, "select count(*) from flow_run where state_name = 'Completed' and auto_scheduled"))


def query(machine, select):
    """A number out of the database."""
    return int(machine.run(f'psql -At prefect -c "{select}"'))


def count_runs(machine):
    """Flow runs in the database that came to an end."""
    return query(machine, "select count(*) from flow_run where state_type = 'COMPLETED'")
