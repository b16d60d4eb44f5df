"""The store's pages as a browser of this machine is given them, and nothing else that lies in the store."""

import http.client

import pytest

from flows._cli.pages_server import pages_served
from tasks.storage.store.artifact_store import Store
from tests.helpers.chains import chain, serve

pytestmark = pytest.mark.seconds


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """Where they are served, and a model of the store."""
    store = Store(tmp_path_factory.mktemp("pages") / "store")
    made = chain(store)
    (made.report.path / "report.html").write_text("the report")
    serve(store, made)
    with pages_served(store, 0) as url:
        yield url.split("/")[2], made


@pytest.fixture
def ask(address):
    """The answer to a path: its status and its text."""

    def ask(path, host=None):
        connection = http.client.HTTPConnection(address[0], timeout=20)
        connection.request("GET", path, headers={"Host": host or address[0]})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()

    return ask


def test_the_index_is_made_when_it_is_asked_for_and_leads_to_the_report(ask, address):
    status, page = ask("/pages/index.html")
    assert status == 200
    assert "Serves: " in page
    assert f"../report/{address[1].report.digest}/report.html" in page
    assert ask(f"/report/{address[1].report.digest}/report.html") == (200, "the report")
    assert ask("/pages/leaderboard.html")[0] == 200


def test_nothing_else_of_the_store_is_given(ask, address):
    digest = address[1].report.digest
    for path in (
        "/promotions/g2p.json", f"/report/{digest}/manifest.json", f"/report/{digest}/", "/report/", "/pages/other.html",
        f"/report/{digest}/../../promotions/g2p.json", f"/report/{digest}/%2e%2e/x.html", "/pages/../promotions/g2p.json",
    ):  # fmt: skip
        assert ask(path)[0] == 404, path


def test_only_names_of_this_machine_are_answered(ask):
    assert ask("/pages/index.html", host="example.org")[0] == 403
    assert ask("/pages/index.html", host="localhost:80")[0] == 200
