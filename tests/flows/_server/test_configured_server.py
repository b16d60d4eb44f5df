"""A configured server that asks for a password is found out before any work; tests/test_operations.py asks a real one."""

import base64
import contextlib
import http.server
import threading

import pytest
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL

from flows._cli.flow_work import use_configured
from flows._server.local import check_configured
from tasks.seq2seq.errors import ServerError


class AsksForPassword(http.server.BaseHTTPRequestHandler):
    """Answers as Prefect does with PREFECT_SERVER_API_AUTH_STRING."""

    def do_GET(self):
        right = f"Basic {base64.b64encode(b'nightly:right').decode()}"
        self.send_response(200 if self.path == "/api/health" or self.headers["Authorization"] == right else 401)
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def url():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), AsksForPassword) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,)).start()
        yield f"http://127.0.0.1:{server.server_port}/api"
        server.shutdown()


def test_the_right_password_is_let_in(url):
    check_configured(url, "nightly:right")


@pytest.mark.parametrize(("given", "said"), [(None, "is not set"), ("nightly:old", "is another one")])
def test_a_missing_or_wrong_password_is_refused_by_its_settings_name(url, given, said):
    with pytest.raises(ServerError, match=f"PREFECT_API_AUTH_STRING {said}.*PREFECT_SERVER_API_AUTH_STRING"):
        check_configured(url, given)


def test_a_password_in_the_url_is_taken_from_there(url):
    check_configured(url.replace("//", "//nightly:right@"), "nightly:old")


def test_a_wrong_password_in_the_url_is_refused_and_not_shown(url):
    with pytest.raises(ServerError, match="the one in PREFECT_API_URL is another one") as refused:
        check_configured(url.replace("//", "//nightly:old@"))
    assert "old" not in str(refused.value)


def test_a_command_gives_prefect_the_url_and_its_password_apart(url):
    with contextlib.ExitStack() as stack:
        use_configured(url.replace("//", "//nightly:right@"), stack)
        assert (PREFECT_API_URL.value(), PREFECT_API_AUTH_STRING.value()) == (url, "nightly:right")
