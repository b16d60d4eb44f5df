"""News of failures and of drift reach a web hook, and a web hook that is out of order fails nothing."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from prefect.blocks.notifications import CustomWebhookNotificationBlock
from prefect.blocks.system import Secret

from flows.batch_predict import main as predict
from flows.generate_datasets import main as generate
from tests.helpers.batch_models import batch_models


@pytest.fixture
def hook(server):
    """A block on the server that calls a small HTTP server here; gives what came."""
    came = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            came.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    listener = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=listener.serve_forever)
    thread.start()
    save_hook(f"http://127.0.0.1:{listener.server_port}/")
    yield came
    listener.shutdown()
    thread.join()
    listener.server_close()


def save_hook(url):
    block = CustomWebhookNotificationBlock(
        name="ops", url=url, json_data={"subject": "{{subject}}", "body": "{{body}}"}, timeout=5
    )
    block.save("ops", overwrite=True)


SMALL = ("--data.n_samples", "100")
NAMED = ("--notify", "custom-webhook/ops")


def write_bad_pairs(folder):
    folder.mkdir()
    path = folder / "pairs.csv"
    path.write_text("source,target\n1 2,2 1\nx,3\n")
    return path


def test_a_failed_run_is_told_with_its_flow_its_name_and_its_reason(hook, run, tmp_path):
    code, _, _ = run(generate, "--data.train", str(write_bad_pairs(tmp_path / "in")), *NAMED)
    assert code == 1
    (news,) = hook
    assert news["subject"].startswith("generate-datasets: Failed")
    assert "flow generate-datasets, run generate pairs" in news["body"]
    assert "row 2" in news["body"]


def test_a_run_that_succeeds_tells_nothing(hook, run):
    assert run(generate, *SMALL, *NAMED)[0] == 0
    assert hook == []


@pytest.mark.parametrize("threshold", ["0.25", "1000000"])
def test_shifted_rows_are_told_with_the_report_and_others_are_not(hook, run, tmp_path, tmp_path_factory, threshold):
    store = batch_models(tmp_path_factory).need("integers")
    path = tmp_path / "in.jsonl"
    path.write_text("".join(json.dumps({"source": [8] * (1 + i % 2)}) + "\n" for i in range(400)))
    flags = ("--output", str(tmp_path / "out"), "--model", "integers", "--drift-threshold", threshold)
    code, summary, _ = run(predict, str(path), *flags, *NAMED, store=store)
    assert code == 0
    assert summary["shifted"] is (threshold == "0.25")
    if not summary["shifted"]:
        assert hook == []
        return
    (news,) = hook
    assert "rows differ from the training data" in news["subject"]
    assert "PSI" in news["body"]
    assert f"report: {tmp_path}/out/_report.html" in news["body"]
    assert "run predict in.jsonl into out" in news["body"]


def test_a_message_that_cannot_be_sent_is_a_warning_and_the_run_ends_as_it_would(server, run, tmp_path, caplog):
    save_hook("http://127.0.0.1:9/")
    code, _, said = run(generate, "--data.train", str(write_bad_pairs(tmp_path / "in")), *NAMED)
    assert code == 1
    assert "Could not notify custom-webhook/ops" in said + caplog.text
    assert "row 2" in said


@pytest.mark.parametrize(
    ("slug", "text"),
    [
        ("slack-webhook/nobody", "has no such block"),
        ("nonsense", "expected a block's type and name"),
        ("secret/quiet", "sends no messages"),
    ],
)
def test_a_block_that_cannot_be_used_is_refused_before_any_work(server, run, tmp_path, slug, text):
    Secret(value="x").save("quiet", overwrite=True)
    code, summary, said = run(generate, *SMALL, "--notify", slug)
    assert code == 2
    assert text in said
    assert summary is None
    assert not list(tmp_path.glob("store/dataset/*"))
