"""The store's pages for a browser of this machine, while something else runs; each is made when it is asked for."""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Iterator
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tasks.reporting.store_pages import FOLDER, INDEX, make_pages
from tasks.seq2seq.errors import Seq2SeqError
from tasks.storage.store.artifact_store import Store

HOST = "127.0.0.1"
_REPORTS = re.compile(r"/(report|sweep)/[0-9a-f]{64}/[\w-]+\.html")


class _Pages(SimpleHTTPRequestHandler):
    """Answers with the pages of a store, and with nothing else that lies in it."""

    def __init__(self, *given: Any, store: Store, **more: Any) -> None:  # noqa: ANN401 - as the base class takes them
        self._store = store
        super().__init__(*given, directory=str(store.root), **more)

    def do_GET(self) -> None:
        """A page of the index, made now, or a report as it lies in the store."""
        host = self.headers.get("Host", "").partition(":")[0]
        if host not in (HOST, "localhost"):  # a name of another's that leads here, by which its pages would read ours
            self.send_error(HTTPStatus.FORBIDDEN, "only for this machine")
        elif self.path == "/":
            self.send_response(HTTPStatus.FOUND)
            self.send_header("Location", f"/{FOLDER}/{INDEX}")
            self.end_headers()
        elif self.path.startswith(f"/{FOLDER}/"):
            self._send_made(self.path.removeprefix(f"/{FOLDER}/"))
        elif _REPORTS.fullmatch(self.path):
            super().do_GET()
        else:
            self.send_error(HTTPStatus.NOT_FOUND)

    do_HEAD = do_GET  # noqa: N815 - as above; browsers ask for whole pages

    def _send_made(self, name: str) -> None:
        try:
            page = make_pages(self._store, ()).get(name)
        except Seq2SeqError as error:  # a record that was altered
            self.send_error(HTTPStatus.INTERNAL_SERVER_ERROR, "the store cannot be read", str(error))
            return
        if page is None:
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        content = page.encode()
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_given: object) -> None:
        """Nothing: whoever serves has a log of its own."""


@contextlib.contextmanager
def pages_served(store: Store, port: int) -> Iterator[str]:
    """Serves them on loopback until the block ends; gives the address of the index.

    Args:
        store: on this machine.
        port: 0 is any that is free.

    Raises:
        OSError: the port is taken.
    """
    with ThreadingHTTPServer((HOST, port), partial(_Pages, store=store)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://{HOST}:{server.server_port}/{FOLDER}/{INDEX}"
        finally:
            server.shutdown()
