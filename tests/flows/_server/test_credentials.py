"""URLs lose their passwords wherever they are shown, and a run's own server asks everyone for one."""

import sqlite3
import urllib.error
import urllib.request

import psutil
import pytest

from flows._server.credentials import split_credentials, without_credentials
from flows._server.local import check_configured
from tasks.seq2seq.errors import ServerError
from tests.helpers.processes import finish, wait_for


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("no server at http://usr:pw@host:4200/api (x)", "no server at http://host:4200/api (x)"),
        ("postgresql+asyncpg://prefect:p%40w@127.0.0.1:5432/prefect", "postgresql+asyncpg://127.0.0.1:5432/prefect"),
        ("https://token@host", "https://host"),
        ("https://usr:p@ss@host/x", "https://host/x"),
        ("https://usr:p/ss@host/x", "https://host/x"),
        ("/home/me/http:/usr:pw@host/a.csv", "/home/me/http:/host/a.csv"),
        ('["s3://key:pw@bucket/a", "s3://b:c@d"]', '["s3://bucket/a", "s3://d"]'),
        ("https://host/a?token=abc&x=1", "https://host/a?token=***&x=1"),
        ("https://host/a?sig=abc", "https://host/a?sig=***"),
    ],
)
def test_a_url_loses_its_password_wherever_it_stands(text, shown):
    assert without_credentials(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "http://127.0.0.1:4200/api",
        "http://127.0.0.1:4200/@me",
        "mail to me@host.org",
        "https://host/a?mail=me@host.org",
        "12:30 /a/b@c",
        "data/me@home.csv",
    ],
)
def test_all_other_text_is_as_it_was(text):
    assert without_credentials(text) == text


def test_a_url_and_its_password_come_apart():
    assert split_credentials("http://usr:p%40w@host:1/api") == ("http://host:1/api", "usr:p@w")
    assert split_credentials("http://host:1/api") == ("http://host:1/api", None)


def test_a_server_that_does_not_answer_is_named_without_its_password():
    with pytest.raises(ServerError, match=r"no Prefect server answers at http://127\.0\.0\.1:9/api ") as refused:
        check_configured("http://usr:secret@127.0.0.1:9/api")
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    "flags", [["--data.train", "http://usr:secret@host/a.csv"], ["--output", "https://usr:secret@host/s.parquet"]]
)
def test_a_url_in_the_place_of_a_path_is_refused_without_its_password(run, flags):
    from flows.generate_datasets import main

    code, _, said = run(main, *flags)
    assert code == 2
    assert "a URL with credentials in it" in said
    assert "secret" not in said


@pytest.mark.seconds
def test_a_runs_own_server_answers_nobody_else_and_the_run_itself(start_process, tmp_path):
    flags = ["--data.n_samples", "500", "--store", tmp_path / "store"]
    process = start_process("-m", "flows.generate_datasets", *flags, PREFECT_HOME=str(tmp_path / "home"))
    wait_for(lambda: psutil.Process(process.pid).children())
    (server,) = psutil.Process(process.pid).children()
    wait_for(lambda: "PREFECT_API_URL" in server.environ())
    url, password = (server.environ()[f"PREFECT_{name}"] for name in ("API_URL", "SERVER_API_AUTH_STRING"))
    assert len(password) > 40
    assert password not in " ".join(server.cmdline())
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"{url}/admin/version", timeout=60)  # noqa: S310 - the run's own server
    assert refused.value.code == 401
    code, said = finish(process)
    assert code == 0, said
    assert password not in said
    runs = sqlite3.connect(tmp_path / "home" / "prefect.db").execute("SELECT state_type FROM flow_run").fetchall()
    assert runs == [("COMPLETED",)]
