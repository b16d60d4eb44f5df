"""Ctrl-C and SIGTERM in processes of their own: from the first line on, and whatever the main thread does."""

import signal
import textwrap

import pytest

from flows._cli.checkout import ROOT
from flows._cli.interruption import LINE
from tests.helpers.interrupted import check_end, tell_to_end
from tests.helpers.tiny import TINY

pytestmark = pytest.mark.seconds
BOTH = [signal.SIGINT, signal.SIGTERM]
COMMANDS = {
    "train_and_eval": [*TINY, "--training.epochs", "400"],
    "batch_predict": ["in", "--output", "out", "--model", "nobody"],
    "nightly": ["--predict.inputs", "in", "--predict.output", "out"],
    "generate_datasets": TINY[:8],
    "import_bundle": ["in"],
    "predict_lines": ["--model", "nobody"],
    "promotions": [],
    "serve": ["--port", "0"],
    "store": ["list"],
    "sweep": ["--config", "in"],
}
LONG = ("train_and_eval", "nightly")
SHORT = ("batch_predict", "import_bundle", "predict_lines", "promotions", "store", "sweep")
SERVING = ("generate_datasets", "serve")


@pytest.fixture
def watching(start_python):
    """Starts a process that watches for signals and runs some code, which says when it is ready."""

    def start(code):
        begin = """
            import contextlib, hashlib, sys, threading, time
            from flows._cli.interruption import before_the_end, end, watch_for_signals, working
            watch_for_signals()
            before_the_end(lambda: print("the last thing", flush=True))
            """
        process = start_python(textwrap.dedent(begin) + textwrap.dedent(code))
        assert process.stdout.readline() == "ready\n"
        return process

    return start


def ended(process, *numbers):
    for number in numbers:
        process.send_signal(number)
    out, err = process.communicate(timeout=20)
    return process.returncode, out, err


@pytest.mark.parametrize("number", BOTH)
def test_outside_of_work_nothing_is_raised_and_the_process_ends_with_one_line(watching, number):
    process = watching("""
        try:
            print("ready", flush=True)
            time.sleep(60)
        except BaseException:
            print("raised")
        """)
    assert ended(process, number) == (128 + number, "the last thing\n", f"{LINE}\n")


@pytest.mark.parametrize("number", BOTH)
def test_work_is_unwound_and_whatever_fails_meanwhile_is_not_told(watching, number):
    process = watching("""
        with contextlib.suppress(KeyboardInterrupt), working():
            try:
                print("ready", flush=True)
                time.sleep(60)
            finally:
                print("unwound", flush=True)
                print("a library's complaint", file=sys.stderr)
        end(0)
        """)
    assert ended(process, number) == (128 + number, "unwound\nthe last thing\n", f"{LINE}\n")


@pytest.mark.parametrize("number", BOTH)
def test_native_code_that_does_not_return_is_ended_too(watching, number):
    process = watching("""
        with working():
            threading.Timer(0.5, print, ["ready"], {"flush": True}).start()
            hashlib.pbkdf2_hmac("sha256", b"long", b"ago", 2**30)
        """)
    assert ended(process, number) == (128 + number, "the last thing\n", f"{LINE}\n")


def test_what_is_being_written_then_is_removed(run_python, tmp_path):
    run_python(
        """
        import sys
        from pathlib import Path
        from tasks.storage.files.atomic import folder_aside, remove_begun, written_aside
        where = Path(sys.argv[1], "where")
        try:
            with folder_aside(where / "folder") as folder, written_aside(where / "file") as file:
                (folder / "part").write_text("half")
                file.write_text("half")
                remove_begun()
                assert not [*where.iterdir()]
                raise KeyError
        except KeyError:
            pass
        """,
        tmp_path,
    )


def interrupt(start_process, tmp_path, name, seconds, number):
    flags = [flag if "/" in flag or flag not in ("in", "out") else tmp_path / flag for flag in COMMANDS[name]]
    (tmp_path / "in").mkdir(exist_ok=True)
    process = start_process("-m", f"flows.{name}", *flags, "--store", tmp_path / "store", TMPDIR=str(tmp_path))
    return tell_to_end(process, number, seconds)


@pytest.mark.parametrize(
    ("name", "seconds", "number"),
    [
        ("serve", 0.1, signal.SIGINT),
        ("train_and_eval", 0.1, signal.SIGINT),
        ("train_and_eval", 0.6, signal.SIGTERM),
        ("promotions", 0.1, signal.SIGTERM),
    ],
)
def test_a_command_that_still_imports_ends_with_one_line(start_process, tmp_path, name, seconds, number):
    check_end(interrupt(start_process, tmp_path, name, seconds, number), number, tmp_path)


@pytest.mark.exhaustive
@pytest.mark.parametrize("number", BOTH)
@pytest.mark.parametrize("seconds", [0.1, 0.3, 0.6, 1.0, 2.0, 4.0, 8.0, 16.0, 24.0])
@pytest.mark.parametrize("name", LONG)
def test_a_command_ends_with_one_line_whenever_it_is_told_to(start_process, tmp_path, name, seconds, number):
    check_end(interrupt(start_process, tmp_path, name, seconds, number), number, tmp_path)


@pytest.mark.exhaustive
@pytest.mark.parametrize("number", BOTH)
@pytest.mark.parametrize("seconds", [0.1, 0.3])
@pytest.mark.parametrize("name", SHORT)
def test_so_does_one_that_is_soon_over(start_process, tmp_path, name, seconds, number):
    check_end(interrupt(start_process, tmp_path, name, seconds, number), number, tmp_path)


@pytest.mark.exhaustive
@pytest.mark.parametrize("number", BOTH)
@pytest.mark.parametrize("seconds", [0.1, 0.6, 2.0])
@pytest.mark.parametrize("name", SERVING)
def test_and_one_that_starts_a_server(start_process, tmp_path, name, seconds, number):
    check_end(interrupt(start_process, tmp_path, name, seconds, number), number, tmp_path)


def test_each_command_is_told_to_end_in_one_of_these_tests():
    assert {*LONG, *SHORT, *SERVING} == {*COMMANDS} == {path.stem for path in ROOT.glob("flows/_cli/commands/[!_]*.py")}
