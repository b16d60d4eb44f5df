"""What a command does in its first line, before anything large is imported."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator

from flows import _server


def begin() -> None:
    """Starts the Prefect server that the run will need, while the rest is imported."""
    # Python's messages get a descriptor of their own, so that native ones can be kept apart.
    sys.stderr = os.fdopen(os.dup(2), "w", buffering=1, encoding="utf-8", errors="backslashreplace")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("DO_NOT_TRACK", "1")  # at a terminal Prefect would tell its makers of a new user
    if os.environ.get("NO_COLOR"):
        os.environ.setdefault("PREFECT_LOGGING_COLORS", "false")
    _server.begin()


@contextlib.contextmanager
def native_messages_aside() -> Iterator[None]:
    """Keeps what native code writes to descriptor 2 aside, and gives it back if the block fails.

    TensorFlow's libraries print notes while they load that no setting silences.
    """
    if sys.stderr is sys.__stderr__:  # Python writes there too: leave it alone
        yield
        return
    kept = os.dup(2)
    with tempfile.TemporaryFile() as aside:
        os.dup2(aside.fileno(), 2)
        try:
            yield
        except BaseException:
            aside.seek(0)
            os.write(kept, aside.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)
