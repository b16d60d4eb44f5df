"""What a command does in its first line, before anything large is imported."""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, TextIO

from flows._cli import sign_of_life
from flows._cli.interruption import before_the_end, end, interrupted_by, watch_for_signals
from flows._cli.limits import LEAST_MIB, too_little_memory
from flows._cli.quiet import keep_notices

if TYPE_CHECKING:
    from rich.console import Console

keep_notices()  # every flow imports this module before any library


def start(name: str, *, needs_server: bool = False, may_load_tensorflow: bool = False) -> int:
    """`python -m flows.NAME`: what its module in flows/ calls in its first line; gives the exit code.

    Args:
        name: of the module, which is imported once the settings are accepted.
        needs_server: whether a Prefect server is started meanwhile, where none is configured.
        may_load_tensorflow: whether it may do so without a server.
    """
    watch_for_signals()
    before_the_end(_end_children)
    before_the_end(_remove_what_was_begun)
    try:
        if needs_server:
            if refusal := too_little_memory(LEAST_MIB):
                from flows._cli.command import EXIT_REFUSED, say  # noqa: PLC0415 - rarely needed before the server

                say(f"refused: {refusal}")
                return EXIT_REFUSED
            _begin(name)
        elif may_load_tensorflow:
            _keep_native_messages_apart()
        from flows._cli.command import run_command  # noqa: PLC0415 - after the server was started

        return end(run_command(importlib.import_module(f"flows._cli.commands.{name}").COMMAND))
    finally:
        end(0)


def _end_children() -> None:
    from flows._server.local import end_soon  # noqa: PLC0415 - signals are watched for first

    end_soon()
    if "psutil" in sys.modules:  # it is loaded before any other process is started
        import psutil  # noqa: PLC0415 - as above

        for child in psutil.Process().children(recursive=True):
            with contextlib.suppress(psutil.Error):
                child.kill()


def _remove_what_was_begun() -> None:
    from tasks.storage.files.atomic import remove_begun  # noqa: PLC0415 - signals are watched for first

    remove_begun()


def _begin(name: str) -> None:
    """Starts the Prefect server that the run will need, while the rest is imported."""
    from flows._server.local import begin  # noqa: PLC0415 - signals are watched for first

    _keep_native_messages_apart()
    sign_of_life.begin(name)
    if os.environ.get("NO_COLOR"):
        os.environ.setdefault("PREFECT_LOGGING_COLORS", "false")
    begin()


def _keep_native_messages_apart() -> None:
    """Gives Python's messages a descriptor of their own."""
    sys.stderr = os.fdopen(os.dup(2), "w", buffering=1, encoding="utf-8", errors="backslashreplace")


STARTER = "SEQ2SEQ_SERVED_BY"
SECONDS_BETWEEN_LOOKS, GRACE_SECONDS = 1.0, 10.0


def _end_with_starter(pid: int) -> None:
    while os.getppid() == pid:
        time.sleep(SECONDS_BETWEEN_LOOKS)
    os.kill(os.getpid(), signal.SIGTERM)  # Prefect's engine then says that the run crashed, if its server is there
    time.sleep(GRACE_SECONDS)
    os._exit(1)


if os.environ.get(STARTER) == str(os.getppid()):  # a run that flows.serve started, which may be killed any time
    threading.Thread(target=_end_with_starter, args=(os.getppid(),), daemon=True).start()


@contextlib.contextmanager
def _pythons_messages_to(descriptor: int) -> Iterator[None]:
    """Has `sys.stderr` and Prefect's log, where they write to descriptor 2, write to this one."""
    former = sys.stderr
    if former is not sys.__stderr__ or former is None:
        yield
        return
    consoles = []
    if "prefect" in sys.modules:
        from tasks.runtime.log import console_handlers  # noqa: PLC0415 - as above

        consoles = [handler.console for handler in console_handlers() if handler.console.file is former]
    with os.fdopen(os.dup(descriptor), "w", buffering=1, encoding="utf-8", errors="backslashreplace") as instead:
        try:
            _write_to(instead, consoles)
            yield
        finally:
            _write_to(former, consoles)


def _write_to(stream: TextIO, consoles: list[Console]) -> None:
    sys.stderr = stream
    for console in consoles:
        console.file = stream


_loading = threading.Lock()


def load_tensorflow() -> None:
    """Loads it and what trains without a word, once; a failure is for the step to tell that imports the same."""
    with _loading:
        if "tasks.seq2seq.training.fit" not in sys.modules:
            with contextlib.suppress(ImportError), native_messages_aside():
                import tasks.seq2seq.training.fit  # noqa: F401, PLC0415 - only steps that train need it


@contextlib.contextmanager
def native_messages_aside() -> Iterator[None]:
    """Keeps what native code writes to descriptor 2 aside, and gives it back if the block fails by no error of ours.

    TensorFlow's libraries print notes while they load that no setting silences. What Python writes goes where it did.
    """
    import tempfile  # noqa: PLC0415 - signals are watched for first

    kept = os.dup(2)
    with tempfile.TemporaryFile() as aside, _pythons_messages_to(kept):
        os.dup2(aside.fileno(), 2)
        try:
            yield
        except BaseException as error:
            from tasks.seq2seq.errors import Seq2SeqError  # noqa: PLC0415 - as above

            aside.seek(0)
            if not interrupted_by() and not isinstance(error, Seq2SeqError):
                os.write(kept, aside.read())
            raise
        finally:
            if not interrupted_by():
                os.dup2(kept, 2)
            os.close(kept)
