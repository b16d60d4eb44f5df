"""Which exceptions are one file's own, so that it fails by them and the others go on."""

from __future__ import annotations

import contextlib
import errno
import traceback
from collections.abc import Iterator
from pathlib import Path

from tasks.runtime.log import logger
from tasks.seq2seq.errors import ArtifactError, DataError, Seq2SeqError

# A full disk, a file system that cannot be written, too many open files: the next file would meet them too.
_SHARED = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EMFILE, errno.ENFILE)
_MOST_SHOWN = 400  # characters of an exception's message in a reason; some libraries print whole graphs
_CHECKOUT = Path(__file__).parent.parent.parent


@contextlib.contextmanager
def failing_alone(path: str, done: str, *, passing: tuple[type[Exception], ...] = ()) -> Iterator[None]:
    """Turns what work on one file raises into that file's failure, where it is its own; see `is_of_one_file`.

    Neither Prefect is called nor a model loaded in such a block: what they raise ends the run.

    Args:
        path: the file.
        done: what is being done with it: "inspected", "read", "predicted" or "written".
        passing: exceptions that are not the file's here, though elsewhere they may be.

    Raises:
        DataError: the file fails. Unless the exception says itself what to do, its place is in the log.
    """
    try:
        yield
    except Exception as error:
        if isinstance(error, (DataError, *passing)) or not is_of_one_file(error):
            raise
        if isinstance(error, ArtifactError):
            raise DataError(f"{path} cannot be {done}: {error}") from error
        text = " ".join(str(error).split())
        logger().error("%s cannot be %s: %s; raised at %s", path, done, _describe(error, text), _find_place(error))
        logger().debug("How it came to that:", exc_info=True)
        shown = text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]} [...]"
        raise DataError(f"{path} cannot be {done}: {_describe(error, shown)}; the place is in the log") from error


def is_of_one_file(error: Exception) -> bool:
    """Whether an exception from work on one file says nothing about the next file.

    Every exception is the file's unless it is known to be everybody's: what a library raises for a file that nobody
    thought of cannot be listed. Everybody's are

    - of the operating system, what `_SHARED` names. A place that may not be written to, or where something else
      stands, is that of one output;
    - of our own family, all but a `DataError` and an `ArtifactError` that tells of such a place: settings, a model
      that is missing or altered, a server.

    A `MemoryError` is the file's: Python raises it when a single request is refused, such as that for a row of 20 GB,
    and what the file held is let go with it. A machine that has none left kills the process without any exception.

    `KeyboardInterrupt`, `SystemExit` and a cancelled task are not derived from `Exception` and never get here.
    """
    if isinstance(error, ArtifactError) and isinstance(error.__cause__, OSError):
        return is_of_one_file(error.__cause__)
    if isinstance(error, Seq2SeqError):
        return isinstance(error, DataError)
    return not (isinstance(error, OSError) and error.errno in _SHARED)


def _describe(error: Exception, message: str) -> str:
    """Type, message, and what was noted on the way."""
    notes = "; ".join(getattr(error, "__notes__", ()))
    text = type(error).__name__ + (f": {message}" if message else "") + (f" ({notes})" if notes else "")
    # A lone surrogate, which a message may quote from a file, can be written nowhere.
    return text.encode(errors="backslashreplace").decode()


def _find_place(error: Exception) -> str:
    """File and line of the last of our own calls, and of the library's that raised."""
    frames = traceback.walk_tb(error.__traceback__)
    places = [(Path(frame.f_code.co_filename), line) for frame, line in frames if frame.f_code.co_filename != __file__]
    ours = [place for place in places if place[0].parent.is_relative_to(_CHECKOUT / "tasks")]
    chosen = dict.fromkeys([*ours[-1:], places[-1]])
    return ", in ".join(f"{_short(path)}:{line}" for path, line in chosen)


def _short(path: Path) -> Path:
    return path.relative_to(_CHECKOUT) if path.is_relative_to(_CHECKOUT) else path
