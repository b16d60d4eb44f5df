"""A proxy before a server of objects that does to requests what networks and busy servers do."""

import contextlib
import http.client
import itertools
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SLOW_DOWN = b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
FAULTS = ("refused", "done but unsaid", "throttled", "cut", "stalled")


class Proxy:
    """Passes requests on to a server; to every third one it does one of the faults, in turn."""

    def __init__(self, address, faults, stall_seconds, every=3):
        self.upstream = address.removeprefix("http://")
        self.stall_seconds = stall_seconds
        turn = itertools.cycle([None] * (every - 1) + ["fault"])
        kinds = itertools.cycle(faults)
        self._next = lambda: next(kinds) if next(turn) else None
        self._lock = threading.Lock()
        self.done = dict.fromkeys(faults, 0)
        self.requests = 0

    def fault(self):
        """What is done to the request that comes now; None for nothing."""
        with self._lock:
            self.requests += 1
            fault = self._next()
            if fault:
                self.done[fault] += 1
            return fault


@contextlib.contextmanager
def faulty_proxy(address, faults=FAULTS, stall_seconds=3.0, every=3):
    """Runs a proxy; gives its address, and what it did."""
    proxy = Proxy(address, faults, stall_seconds, every)
    handler = type("Handler", (_Handler,), {"proxy": proxy})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", proxy
    finally:
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    proxy: Proxy

    def _pass_on(self):
        body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        fault = self.proxy.fault()
        if fault == "refused":
            self._answer(500, [], b"")
            return
        if fault == "throttled":
            self._answer(503, [], SLOW_DOWN)
            return
        if fault == "stalled":
            time.sleep(self.proxy.stall_seconds)
        upstream = http.client.HTTPConnection(self.proxy.upstream, timeout=60)
        upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():  # the host too, which is part of what is signed
            upstream.putheader(name, value)
        upstream.endheaders(body)
        response = upstream.getresponse()
        content = response.read()
        upstream.close()
        if fault == "done but unsaid":
            self._answer(500, [], b"")
        else:
            self._answer(response.status, response.getheaders(), content, is_cut=fault == "cut")

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _pass_on  # noqa: N815 - as the base class calls them

    def _answer(self, code, headers, content, *, is_cut=False):
        lost = {"content-length", "transfer-encoding", "connection", "date", "server"}
        with contextlib.suppress(OSError):  # whoever asked has given up
            self.send_response(code)
            length = {name.lower(): value for name, value in headers}.get("content-length")
            for name, value in headers:
                if name.lower() not in lost:
                    self.send_header(name, value)
            self.send_header("Content-Length", length if self.command == "HEAD" and length else str(len(content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content[: len(content) // 2] if is_cut else content)
            if is_cut:
                self.close_connection = True

    def log_message(self, *_):
        pass
