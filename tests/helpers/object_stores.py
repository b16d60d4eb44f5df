"""S3-speaking servers for tests, on loopback: SeaweedFS, moto, and one that ignores what makes writing safe.

Each is a process of its own that ends when whoever started it has ended, however that ended: it waits for the end of
its input. What of it `python -m tests.helpers.object_stores KIND FOLDER` runs.
"""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.conftest import ROOT

KEY, SECRET, BUCKET = "someone", "in-a-test", "bucket"
KINDS = ("seaweedfs", "moto")
_NAMES = ("master", "volume", "filer", "s3")


@contextlib.contextmanager
def object_store(kind):
    """Runs a server with an empty bucket; gives its address."""
    folder = tempfile.mkdtemp(prefix="object-store-")
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.helpers.object_stores", kind, folder],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        address = process.stdout.readline().strip()
        assert address, f"{kind} did not start"
        yield address
    finally:
        process.stdin.close()
        process.wait()
        process.stdout.close()
        shutil.rmtree(folder, ignore_errors=True)


def environment(address):
    """What tells a process where the server is, and who it is there."""
    return {
        "AWS_ENDPOINT_URL": address,
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_REGION": "us-east-1",
        "AWS_ALLOW_HTTP": "true",
    }


def _free_ports(n):
    sockets = [socket.socket() for _ in range(n)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def _keep(kind, folder):
    """Runs a server until the input ends."""
    (port, *others) = _free_ports(8)
    address = f"http://127.0.0.1:{port}"
    with _SERVERS[kind](Path(folder), port, others):
        _make_bucket(address)
        print(address, flush=True)
        sys.stdin.read()


def _make_bucket(address):
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    client = boto3.client(
        "s3", endpoint_url=address, aws_access_key_id=KEY, aws_secret_access_key=SECRET, region_name="us-east-1"
    )
    deadline = time.monotonic() + 60
    while True:
        try:
            client.create_bucket(Bucket=BUCKET)
            client.put_object(Bucket=BUCKET, Key="there", Body=b"")
        except (BotoCoreError, ClientError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            client.delete_object(Bucket=BUCKET, Key="there")
            return


@contextlib.contextmanager
def _seaweedfs(folder, port, others):
    weed = str(shutil.which("weed", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"))
    credentials = [{"accessKey": KEY, "secretKey": SECRET}]
    actions = ["Admin", "Read", "Write", "List", "Tagging"]
    identities = {"identities": [{"name": "test", "credentials": credentials, "actions": actions}]}
    (folder / "s3.json").write_text(json.dumps(identities))
    ports = dict(zip([f"{name}.port.grpc" for name in _NAMES], others, strict=False))
    ports |= dict(zip([f"{name}.port" for name in _NAMES[:3]], others[4:], strict=True))
    given = {
        **ports, "s3.port": port, "s3.port.iceberg": 0, "s3.port.lance": 0, "s3.config": folder / "s3.json",
        "dir": folder, "ip": "127.0.0.1", "ip.bind": "127.0.0.1", "filer": "true", "s3": "true",
        "master.volumeSizeLimitMB": 64, "volume.max": 50, "master.telemetry": "false",
    }  # fmt: skip
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [weed, "-logtostderr=true", "server", *(f"-{name}={value}" for name, value in given.items())],
            stdout=log,
            stderr=log,
        )
        try:
            yield
        finally:
            process.kill()  # it would take its time
            process.wait()


@contextlib.contextmanager
def _moto(_folder, port, _others):
    import logging

    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # a line a request
    server = ThreadedMotoServer("127.0.0.1", port, verbose=False)
    server.start()
    yield


@contextlib.contextmanager
def _careless(_folder, port, _others):
    """Writes whatever the conditions, as some servers do."""
    import threading

    server = ThreadingHTTPServer(("127.0.0.1", port), _Careless)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield
    server.shutdown()


class _Careless(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    files: dict[str, bytes] = {}  # noqa: RUF012 - of the one server of this process

    def do_PUT(self):
        self.files[self.path] = self.rfile.read(int(self.headers["Content-Length"] or 0))
        self._answer(200)

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        if self.path in self.files:
            self._answer(200, self.files[self.path])
        else:
            self._answer(404)

    def do_DELETE(self):
        self.files.pop(self.path, None)
        self._answer(204)

    def do_POST(self):  # the removal of many
        self.rfile.read(int(self.headers["Content-Length"] or 0))
        self._answer(200, b"<DeleteResult/>")

    def _answer(self, code, content=b""):
        self.send_response(code)
        self.send_header("ETag", f'"{len(content)}"')
        self.send_header("Last-Modified", "Mon, 30 Nov 2026 12:00:00 GMT")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, *_):
        pass


_SERVERS = {"seaweedfs": _seaweedfs, "moto": _moto, "careless": _careless}

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever started it ends it
    _keep(*sys.argv[1:])
    os._exit(0)  # moto's threads go on
