"""The Prefect server that a run uses: the one that is configured, or a local one that ends with the run.

Only the standard library is imported here, so that a command can start its server in its first line and
import everything else while the server does the same.
"""

from __future__ import annotations

import base64
import contextlib
import os
import socket
import subprocess
import sys
import tomllib
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path

from flows._server.credentials import split_credentials
from flows._server.flags import MAKES_NOTHING
from tasks.seq2seq.errors import ServerError

START_SECONDS = 300.0  # a new PREFECT_HOME has its database migrated first, on a machine that may be busy
CHECK_SECONDS = 10.0
END_SECONDS = 10.0
SOON_SECONDS = 0.5
PASSWORD_BYTES = 32


@dataclass
class LocalServer:
    """A server process on a free loopback port; `process.stdin` is its lifeline.

    `auth_string`: the `user:password` that it asks for; None where it lets everyone in who can reach the port.
    """

    process: subprocess.Popen[bytes]
    url: str
    auth_string: str | None = field(default=None, repr=False)

    def go(self) -> None:
        """Lets it open its database; until then it has only imported."""
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(b"go\n")
            self.process.stdin.flush()

    def wait_until_up(self) -> None:
        """Returns when it answers.

        Raises:
            ServerError: it ends before it answers, or takes longer than `START_SECONDS`.
        """
        # The socket listens from the start and queues the request; an ended process resets it.
        if not answers(self.url, START_SECONDS):
            raise ServerError(
                f"the local Prefect server did not start (exit code {self.process.poll()}); see its messages above, "
                f"or start one with `prefect server start` and set PREFECT_API_URL"
            )

    def end(self, seconds: float = END_SECONDS) -> None:
        """Ends it and waits until it is gone; after some seconds it is killed."""
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        with contextlib.suppress(ValueError):
            _running.remove(self)


_begun: LocalServer | None = None
_running: list[LocalServer] = []


def end_soon() -> None:
    """Ends all servers of this process within `SOON_SECONDS`, for a process that was told to end."""
    for server in [*_running]:
        server.end(SOON_SECONDS)


def begin() -> None:
    """Starts a local server where none is configured, and points Prefect at it.

    Call it before Prefect is imported: its settings are read from the environment then.
    """
    global _begun  # noqa: PLW0603 - one command, one server
    if url := configured_url():
        _keep_password_apart(url)
        return
    if MAKES_NOTHING & set(sys.argv):
        return
    _begun = launch()
    os.environ["PREFECT_API_URL"] = _begun.url
    os.environ["PREFECT_API_AUTH_STRING"] = str(_begun.auth_string)
    os.environ.setdefault("PREFECT_UI_URL", "")  # it has no pages, so Prefect shall not name any


def _keep_password_apart(url: str) -> None:
    """Has Prefect's URL, which it shows, without a password, and the password where it belongs."""
    bare, auth_string = split_credentials(url)
    if auth_string:
        os.environ["PREFECT_API_URL"], os.environ["PREFECT_API_AUTH_STRING"] = bare, auth_string


def take_begun() -> LocalServer | None:
    """The server that `begin` started, once."""
    global _begun
    server, _begun = _begun, None
    return server


def end_begun() -> None:
    """Ends the server that `begin` started, where nobody took it."""
    if server := take_begun():
        server.end()


def launch(port: int = 0, *, full: bool = False) -> LocalServer:
    """A server process that imports, and waits for `go`.

    Without pages, which a person would look at, it asks for a password drawn at random: loopback is open to all users
    of the machine. It travels in the environment, which only its own user can read.

    Args:
        port: on loopback; 0 is any that is free.
        full: with the pages of Prefect's UI, and with the scheduler; asks for a password where the user has set one.

    Raises:
        ServerError: the port is taken.
    """
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # the last one's connections may linger
        try:
            listener.bind(("127.0.0.1", port))
        except OSError as error:
            raise ServerError(
                f"port {port} cannot be had ({error.strerror}); name another with --port, or set PREFECT_API_URL if "
                f"the Prefect server that you want listens there"
            ) from error
        listener.listen(128)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/api"
        auth_string = None if full else f"run:{os.urandom(PASSWORD_BYTES).hex()}"
        process = subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, "-m", "flows._server.process", str(listener.fileno()), *(["full"] if full else [])],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            pass_fds=[listener.fileno()],
            cwd=Path(__file__).parent.parent.parent,
            env={
                **os.environ,
                "PREFECT_API_URL": url,
                **({"PREFECT_SERVER_API_AUTH_STRING": auth_string} if auth_string else {}),
                "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
                "DO_NOT_TRACK": "1",
                "PREFECT_SERVER_UI_ENABLED": str(full).lower(),
                "PREFECT_SERVER_UI_API_URL": url,  # else its pages ask port 4200
                # Else places under a concurrency limit that a killed server held would be taken for ever.
                "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
                # One by one, task runs are recorded at some 30 a second: a run of many chunks would end before.
                "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "100",
                "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "1",  # whole seconds: 0.5 never rests
            },
            start_new_session=True,  # Ctrl-C is for the command, which then ends the server
        )
    server = LocalServer(process, url, auth_string)
    _running.append(server)
    return server


def configured_url() -> str | None:
    """`PREFECT_API_URL` of the environment, or of the active Prefect profile."""
    if "PREFECT_API_URL" in os.environ:
        return os.environ["PREFECT_API_URL"] or None
    home = Path(os.environ.get("PREFECT_HOME", "~/.prefect")).expanduser()
    path = Path(os.environ.get("PREFECT_PROFILES_PATH", home / "profiles.toml"))
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        active = os.environ.get("PREFECT_PROFILE", content["active"])
        url: str | None = content["profiles"][active].get("PREFECT_API_URL")
    except (OSError, ValueError, KeyError, AttributeError):
        return None
    return url


def check_configured(url: str, auth_string: str | None = None) -> None:
    """Refuses to begin work for a server that does not answer, or does not let us in.

    Args:
        url: PREFECT_API_URL; a password in it counts for more than `auth_string`.
        auth_string: PREFECT_API_AUTH_STRING, `user:password`.

    Raises:
        ServerError: within `CHECK_SECONDS`.
    """
    url, in_url = split_credentials(url)
    if not answers(url, CHECK_SECONDS):
        raise ServerError(
            f"no Prefect server answers at {url} (PREFECT_API_URL); start it, or unset PREFECT_API_URL to run "
            f"with a local one"
        )
    if _wants_password(f"{url}/admin/version", in_url or auth_string):  # which the check of its health does not ask for
        given = "is another one than the server's" if in_url or auth_string else "is not set"
        where = "the one in PREFECT_API_URL" if in_url else "PREFECT_API_AUTH_STRING"
        raise ServerError(
            f"the Prefect server at {url} wants a password, and {where} {given}; set PREFECT_API_AUTH_STRING to the "
            f"user:password of the server's PREFECT_SERVER_API_AUTH_STRING"
        )


def _wants_password(url: str, auth_string: str | None) -> bool:
    headers = {"Authorization": f"Basic {base64.b64encode(auth_string.encode()).decode()}"} if auth_string else {}
    try:
        request = urllib.request.Request(url, headers=headers)  # noqa: S310 - the user's own URL
        with urllib.request.urlopen(request, timeout=CHECK_SECONDS):  # noqa: S310 - as above
            return False
    except urllib.error.HTTPError as error:
        return error.code == HTTPStatus.UNAUTHORIZED
    except (OSError, ValueError):
        return False  # Prefect's own client says what is wrong


def answers(url: str, seconds: float) -> bool:
    """Whether a Prefect server answers at a URL within some seconds."""
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=seconds) as answer:  # noqa: S310 - the user's own URL
            return bool(answer.status == 200)  # noqa: PLR2004
    except (OSError, ValueError, urllib.error.URLError):
        return False
