"""Lines through the command, in processes of their own."""

import io
import json
import subprocess
import sys
import time

import pytest

from flows.predict_lines import read_lines
from tasks.predict import load_predictor
from tasks.seq2seq.errors import DataError
from tasks.storage.files.limits import ROW_BYTES
from tests.conftest import ROOT
from tests.helpers.batch_models import batch_models, spelled, wave

pytestmark = pytest.mark.seconds
WORDS = spelled(40, seed=5)[0]


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return batch_models(tmp_path_factory).need("sounds", "integers", "wave")


def predict(store, *words, given=b"", model="sounds"):
    """What the command does with what is piped in."""
    command = [sys.executable, "-m", "flows.predict_lines", "--store", store, "--model", model, *words]
    return subprocess.run(command, cwd=ROOT, input=given, capture_output=True, timeout=120, check=False)


def written(answers):
    return [" ".join("\N{REPLACEMENT CHARACTER}" if one is None else str(one) for one in answer) for answer in answers]


@pytest.fixture(scope="module")
def expected(store):
    return written(load_predictor("sounds", store).predict(WORDS))


def test_lines_that_are_piped_in_are_answered_in_order(store, expected):
    done = predict(store, given="\n".join(WORDS).encode())
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode().splitlines() == expected


def test_lines_that_are_given_are_predicted_and_nothing_is_read(store, expected):
    done = predict(store, *WORDS[:3], given=b"never read\n")
    assert (done.returncode, done.stdout.decode().splitlines()) == (0, expected[:3])


def test_numbers_are_read_and_written_as_in_a_csv(store):
    done = predict(store, "1 2 3", "[3, 2]", "--", "-1 2", model="integers")
    answers = load_predictor("integers", store).predict([[1, 2, 3], [3, 2], [-1, 2]])
    assert done.stdout.decode().splitlines() == written(answers)


def test_a_series_is_forecast_from_its_last_values(store):
    history = wave(8).tolist()
    done = predict(store, " ".join(map(str, history)), model="wave")
    (forecast,) = load_predictor("wave", store).predict([history])
    assert json.loads(done.stdout) == forecast


def test_a_line_that_cannot_be_predicted_leaves_its_line_empty_and_is_named(store, tmp_path):
    summary = tmp_path / "summary.json"
    done = predict(store, "--summary", summary, given=b"bok\n\n\xff\xfe\nkob\r\n")
    first, empty, bytes_, last = done.stdout.decode().split("\n")[:4]
    assert done.returncode == 1
    assert (bool(first), empty, bytes_, bool(last)) == (True, "", "", True)
    assert done.stderr.decode().splitlines() == [
        "line 2 cannot be predicted: empty",
        "line 3 cannot be predicted: utf8",
    ]
    assert json.loads(summary.read_text())["rejected"] == 2


def test_where_no_line_can_be_predicted_none_is(store):
    done = predict(store, "", "")
    assert (done.returncode, done.stdout) == (1, b"\n\n")


def test_a_model_that_is_not_there_is_refused_in_a_line(store):
    done = predict(store, "a", model="nobody")
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert b"Traceback" not in done.stderr


def test_a_line_is_answered_as_soon_as_it_is_there(store, expected):
    command = [sys.executable, "-m", "flows.predict_lines", "--store", store, "--model", "sounds"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        for word, answer in zip(WORDS[:3], expected, strict=False):
            process.stdin.write(f"{word}\n".encode())
            process.stdin.flush()
            assert process.stdout.readline().decode() == f"{answer}\n"
        process.stdin.close()
        assert process.wait(30) == 0


def test_neither_prefect_nor_tensorflow_is_loaded(store):
    code = (
        "import sys; from flows.predict_lines import main; code = main(['--store', sys.argv[1], '--model', 'sounds', "
        "'bok']); print(code, {'prefect', 'tensorflow', 'keras'} & {*sys.modules})"
    )
    began = time.process_time()
    done = subprocess.run([sys.executable, "-c", code, store], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1] == "0 set()", done.stderr
    assert time.process_time() - began < 1  # of this process: it only waits


def test_a_line_that_comes_in_pieces_is_one():
    class Slow(io.BytesIO):
        def read1(self, _size=-1, /):
            return super().read1(3)

    assert [line for lines in read_lines(Slow(b"one\ntwo and\r\n\nend")) for line in lines] == [
        b"one",
        b"two and",
        b"",
        b"end",
    ]


def test_a_line_that_never_ends_is_refused():
    class Endless(io.BytesIO):
        def read1(self, size=-1, /):
            return b"x" * size

    with pytest.raises(DataError, match="a line is longer than 16 MiB"):
        list(read_lines(Endless()))
    assert ROW_BYTES == 16 * 2**20
