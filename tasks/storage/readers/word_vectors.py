r"""Pre-trained vectors as text: a token and its numbers a line, with spaces between, plain or gzip.

GloVe's files have no header. Those of word2vec and fastText begin with a line of two integers: how many vectors there
are, and how wide they are. Lines end at `\n` alone, since tokens of the well-known files hold other line breaks.
"""

from __future__ import annotations

import gzip
import itertools
import unicodedata
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache, partial
from io import BufferedIOBase
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from tasks.seq2seq.errors import DataError
from tasks.seq2seq.models.pretrained_embeddings import FoundVectors
from tasks.seq2seq.settings.model import ModelSettings
from tasks.storage.files.digests import file_digest
from tasks.storage.files.limits import BLANK_BYTES, VECTOR_LINE_BYTES
from tasks.storage.files.progress import Report, say_nothing

LINES_BETWEEN_REPORTS = 50_000
LARGEST = float(np.finfo(np.float32).max)
SHOWN = 40  # characters of a token, or a field, in a message


class Head(NamedTuple):
    """What the first line says: numbers a vector, and how many vectors there are, where it is a header."""

    width: int
    n_vectors: int | None

    @property
    def has_header(self) -> bool:
        """Whether the first line is none of the vectors."""
        return self.n_vectors is not None


def look(path: Path) -> Head:
    """The width of a file's vectors, by its first line alone.

    Raises:
        DataError: it cannot be read, or its first line is neither a header nor a vector.
    """
    with _lines(path) as lines:
        return _head(path, next(lines, b""))


def _head(path: Path, line: bytes) -> Head:
    token, *numbers = _stripped(line).split(b" ")
    if len(numbers) == 1 and token.isdigit() and numbers[0].isdigit():
        return Head(int(numbers[0]), int(token))
    if not numbers or not all(map(_is_number, numbers)):
        raise DataError(
            f"{path} line 1: {_shown(line)} is not a vector; expected a token and its numbers with spaces between, or "
            f"how many vectors follow and how wide they are"
        )
    return Head(len(numbers), None)


def vector_files_fit(sections: Mapping[str, Any]) -> Iterator[str]:
    """A rule as those of `rules`, except that it looks at files: vectors are as wide as the embeddings they become."""
    model = sections.get("model")
    if not isinstance(model, ModelSettings):
        return
    for side, path in model.vector_files.items():
        name, width = model.embedding_of(side)
        if width == 0:  # another rule's fault
            continue
        try:
            found = look(path).width
        except DataError as error:
            yield f"model.{side}_vectors: {error}"
            continue
        if found != width:
            yield (
                f"model.{side}_vectors: {path} holds vectors of {found} numbers, but {name} is {width}; set {name} to "
                f"{found}, or take a file of {width}"
            )


def vectors_digest(path: Path) -> str:
    """The digest of a file's bytes; the same file is read once a process.

    Raises:
        DataError: it cannot be read.
    """
    try:
        stat = path.stat()
        return _digest(path, (stat.st_size, stat.st_mtime_ns))
    except OSError as error:
        raise DataError(_unreadable(path, error)) from error


@lru_cache(maxsize=16)
def _digest(path: Path, _stamp: tuple[int, int]) -> str:
    return file_digest(path)


def read_vectors(
    path: Path, ids: Mapping[str, int], *, lowercase: bool = False, say: Report = say_nothing
) -> FoundVectors:
    """Streams a file and keeps the vectors of the tokens that are asked for.

    A token is compared in normal form NFC, as text of the data is. One that appears again is counted and left
    out.

    Args:
        path: the file.
        ids: the tokens that are wanted, and the id of each.
        lowercase: whether the data was lower-cased: a token that is not there so has the vector of the first that is
            the same but for its case.
        say: is told how many lines were read.

    Raises:
        DataError: naming the line that is not a vector; or the file is cut short.
    """
    wanted = {token.encode(): number for token, number in ids.items()}
    exact: dict[int, NDArray[np.float32]] = {}
    folded: dict[int, NDArray[np.float32]] = {}
    n = repeated = blanks = 0
    with _lines(path) as lines:
        first = next(lines, b"")
        head = _head(path, first)
        vectors = lines if head.has_header else itertools.chain([first], lines)
        for n, line in enumerate(vectors, 1):
            if n % LINES_BETWEEN_REPORTS == 0:
                say("vectors read", n, head.n_vectors)
            blanks = 0 if line.strip() else blanks + len(line)
            if blanks > BLANK_BYTES:
                raise DataError(f"{path} has {BLANK_BYTES // 2**20} MiB of blank lines in a row; is it damaged?")
            if blanks:
                continue
            place = f"{path} line {n + head.has_header}"
            token, numbers = _split(place, head.width, line)
            number = wanted.get(_normal(token))
            if number is not None:
                repeated += number in exact
                exact.setdefault(number, _checked(place, token, numbers))
            elif lowercase and (number := wanted.get(_lowered(token))) is not None:
                folded.setdefault(number, _checked(place, token, numbers))
    if head.n_vectors is not None and n < head.n_vectors:
        raise DataError(f"{path} ends after {n} vectors, its first line says {head.n_vectors}: is it cut short?")
    return _found({**folded, **exact}, head.width, repeated)


def _split(place: str, width: int, line: bytes) -> tuple[bytes, bytes]:
    """A line's token, and its numbers as they are written."""
    line = _stripped(line)
    n = line.count(b" ")
    if n == width and not line.startswith(b" "):
        token, _, numbers = line.partition(b" ")
        return token, numbers
    token, *rest = line.rsplit(b" ", width)
    # GloVe's largest file has tokens of several words. Where more numbers stand before the last ones, it is none.
    if len(rest) < width or not token or (b" " in token and all(map(_is_number, token.split(b" ")[1:]))):
        raise DataError(f"{place}: {_shown(line)} is not a token with {width} numbers after it, as the first line has")
    return token, b" ".join(rest)


def _checked(place: str, token: bytes, numbers: bytes) -> NDArray[np.float32]:
    fields = numbers.split(b" ")
    bad = next((field for field in fields if not _is_number(field)), None)
    if bad is not None:
        raise DataError(f"{place}: {_shown(bad)} of the token {_shown(token)} is not a number")
    return np.array(fields, np.float64).astype(np.float32)


def _found(vectors: Mapping[int, NDArray[np.float32]], width: int, repeated: int) -> FoundVectors:
    ids = np.array(sorted(vectors), np.int64)
    return FoundVectors(ids, np.array([vectors[i] for i in ids.tolist()], np.float32).reshape(-1, width), repeated)


def _is_number(field: bytes) -> bool:
    try:
        return abs(float(field)) <= LARGEST  # false of a value that is not a number
    except ValueError:
        return False


def _normal(token: bytes) -> bytes:
    """The token in normal form NFC; what is not UTF-8 stays as it is, and is no symbol of anything."""
    if token.isascii():
        return token
    try:
        return unicodedata.normalize("NFC", token.decode()).encode()
    except UnicodeDecodeError:
        return token


def _lowered(token: bytes) -> bytes:
    """As the data is lower-cased."""
    if token.isascii():
        return token.lower()
    try:
        lowered: str = pc.utf8_lower(unicodedata.normalize("NFC", token.decode())).as_py()
    except UnicodeDecodeError:
        return token
    return lowered.encode()


def _stripped(line: bytes) -> bytes:
    return line.rstrip(b"\n").rstrip(b"\r ")


def _shown(text: bytes) -> str:
    shown = text.rstrip(b"\r\n").decode(errors="backslashreplace")
    return repr(shown if len(shown) <= SHOWN else f"{shown[:SHOWN]}...")


@contextmanager
def _lines(path: Path) -> Iterator[Iterator[bytes]]:
    """The lines of a file with their ends, and errors that say which file cannot be read."""
    try:
        with _opened(path) as file:
            yield iter(partial(_line, path, file), b"")
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(_unreadable(path, error)) from error


def _opened(path: Path) -> BufferedIOBase:
    return gzip.open(path) if path.suffix == ".gz" else path.open("rb")


def _line(path: Path, file: BufferedIOBase) -> bytes:
    line = file.readline(VECTOR_LINE_BYTES)
    if len(line) == VECTOR_LINE_BYTES:
        raise DataError(f"{path} has a line of more than {VECTOR_LINE_BYTES:,} bytes; expected a token and its numbers")
    return line


def _unreadable(path: Path, error: Exception) -> str:
    said = "does not exist" if isinstance(error, FileNotFoundError) else f"cannot be read: {error}"
    return f"{path} {said}; expected a text file of vectors, plain or .gz, as GloVe and word2vec write them"
