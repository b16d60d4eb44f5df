"""Places in object stores, by obstore: `s3://` is tested, `gs://` and `az://` work by it and are untried.

Credentials, endpoints and the like come from the environment, as obstore takes them: AWS_ACCESS_KEY_ID,
AWS_SECRET_ACCESS_KEY, AWS_ENDPOINT_URL, AWS_ALLOW_HTTP, AWS_TIMEOUT and so on.

obstore itself tries requests again that a server was too busy for, but not those after which nobody knows whether they
were carried out. Here all are tried again, since each is harmless twice: a swap that was carried out is known by what
is there.
"""

from __future__ import annotations

import hashlib
import mmap
import os
import re
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import (
    BaseError,
    InvalidPathError,
    NotSupportedError,
    PermissionDeniedError,
    PreconditionError,
    UnauthenticatedError,
)
from obstore.store import from_url

from tasks.seq2seq.errors import PlaceError, SettingsError
from tasks.seq2seq.settings.where import BUCKET_PARTS
from tasks.storage.files.places import Content, Entry

if TYPE_CHECKING:
    from obstore import ObjectMeta

PART_BYTES = 16 * 2**20  # of a file, fetched at once
TRY_SECONDS = 60.0  # during which a request that fails is made again
REQUEST_SECONDS = 120  # until one that does not end counts as failed; AWS_TIMEOUT sets another
_FIRST_WAIT, _LONGEST_WAIT = 0.1, 5.0
_FINAL = (PermissionDeniedError, UnauthenticatedError, NotSupportedError, InvalidPathError)
_SHOWN = 300  # characters of what a library says

Given = TypeVar("Given")


class ObjectPlace:
    """A folder in a bucket."""

    def __init__(self, url: str) -> None:
        """Takes its URL, as `check_url` gives it."""
        bucket, self._prefix = _split_bucket(url)
        self._url = url
        self._made_by = (bucket, _environment())
        self._bucket = _bucket(*self._made_by)

    def shown(self, name: str = "") -> str:
        """Its URL."""
        return f"{self._url}/{name}" if name else self._url

    def _key(self, name: str) -> str:
        return f"{self._prefix}/{name}" if self._prefix and name else self._prefix or name

    def _entry(self, found: ObjectMeta) -> Entry:
        name = found["path"][len(self._prefix) + 1 :] if self._prefix else found["path"]
        return Entry(name, found["size"], found["e_tag"] or "", found["last_modified"].timestamp())

    def look(self, name: str) -> Entry | None:
        """See `Place`."""
        try:
            return self._entry(self._tried(name, lambda: obstore.head(self._bucket, self._key(name))))
        except FileNotFoundError:
            return None

    def read(self, name: str) -> Content | None:
        """See `Place`."""

        def read() -> Content:
            got = obstore.get(self._bucket, self._key(name))
            return Content(bytes(got.bytes()), got.meta["e_tag"] or "")

        try:
            return self._tried(name, read)
        except FileNotFoundError:
            return None

    def entries(self, below: str = "") -> Iterator[Entry]:
        """See `Place`."""
        key = self._key(below)
        found = self._tried(below, lambda: obstore.list(self._bucket, key or None).collect())
        yield from (self._entry(one) for one in found)

    def swap(self, name: str, content: bytes | Path, seen: str | None) -> str | None:
        """See `Place`.

        Raises:
            SettingsError: the store takes no conditions; see `prove`.
        """
        self.prove()
        return self._swap(name, content, seen)

    def _swap(self, name: str, content: bytes | Path, seen: str | None) -> str | None:
        waits = _waits()
        while True:
            try:
                mode: Any = "create" if seen is None else {"e_tag": seen}
                return obstore.put(self._bucket, self._key(name), _buffer(content), mode=mode)["e_tag"] or ""
            except (BaseError, FileNotFoundError) as error:
                if _is_final(error):
                    raise self._failed(name, error) from error
                now = self.look(name)
                if now and self._holds(now, content):  # it was carried out, though nobody said so
                    return now.stamp
                if (now.stamp if now else None) != seen:  # whatever became of the request: another was first
                    return None
                if (wait := next(waits, None)) is None:
                    raise self._failed(name, error) from error
                time.sleep(wait)

    def _holds(self, now: Entry, content: bytes | Path) -> bool:
        size = content.stat().st_size if isinstance(content, Path) else len(content)
        if now.size != size:
            return False
        ours = hashlib.sha256(_buffer(content)).digest()
        theirs = hashlib.sha256()
        try:
            for part in self._parts(now):
                theirs.update(part)
        except FileNotFoundError:
            return False
        return ours == theirs.digest()

    def put(self, name: str, path: Path) -> None:
        """See `Place`; a large file goes in parts."""
        self._tried(name, lambda: obstore.put(self._bucket, self._key(name), path))

    def delete(self, names: list[str]) -> None:
        """See `Place`."""
        for name in names:
            self._tried(name, partial(obstore.delete, self._bucket, self._key(name)))

    def fetch(self, entry: Entry, path: Path) -> str:
        """See `Place`."""
        digest = hashlib.sha256()
        with path.open("wb") as file:
            for part in self._parts(entry):
                digest.update(part)
                file.write(part)
        return digest.hexdigest()

    def _parts(self, entry: Entry) -> Iterator[bytes]:
        for first in range(0, entry.size, PART_BYTES):
            until = min(first + PART_BYTES, entry.size)
            part = self._tried(entry.name, partial(self._part, entry, first, until))
            if len(part) != until - first:
                raise FileNotFoundError(self.shown(entry.name))
            yield part

    def _part(self, entry: Entry, first: int, until: int) -> bytes:
        options: Any = {"range": (first, until), **({"if_match": entry.stamp} if entry.stamp else {})}
        try:
            return bytes(obstore.get(self._bucket, self._key(entry.name), options=options).bytes())
        except PreconditionError as error:
            raise FileNotFoundError(self.shown(entry.name)) from error

    def prove(self) -> None:
        """Refuses a store that writes whatever the condition; it is asked once a process.

        Raises:
            SettingsError: a file was created twice, or changed though it was not what was said to be seen.
            PlaceError: nothing can be written at all.
        """
        if self._made_by in _PROVEN:
            return
        name = f".probe/{secrets.token_hex(16)}"
        try:
            created = self._swap(name, f"first {name}".encode(), None)
            again = self._swap(name, f"again {name}".encode(), None)
            changed = self._swap(name, f"changed {name}".encode(), f'"{"0" * 32}"')
        finally:
            with suppress(PlaceError):  # whatever is wrong is told by what was tried before
                self.delete([name])
        if created is None or again is not None or changed is not None:
            raise SettingsError(
                f"{self._url} cannot be written to safely: its server ignores conditions (a file that was there was "
                f"created again), so that of two runs one would undo what the other did; use a store that honours "
                f"If-None-Match and If-Match, as S3 does, or a folder"
            )
        _PROVEN.add(self._made_by)

    def _tried(self, name: str, action: Callable[[], Given]) -> Given:
        """What an action gives that may be done twice.

        Raises:
            FileNotFoundError: there is no such file.
            PlaceError: it cannot be done, by now.
        """
        waits = _waits()
        while True:
            try:
                return action()
            except BaseError as error:
                if _is_final(error) or (wait := next(waits, None)) is None:
                    raise self._failed(name, error) from error
                time.sleep(wait)

    def _failed(self, name: str, error: Exception) -> PlaceError:
        said = " ".join(str(error).partition("\n\nDebug source")[0].split())
        hint = next((hint for found, hint in _HINTS if re.search(found, str(error))), _ASK_AGAIN)
        return PlaceError(f"{self.shown(name)} cannot be reached: {said[:_SHOWN]}; {hint}")


def split_url(url: str) -> tuple[ObjectPlace, str]:
    """The bucket of what a URL names, and its name there."""
    bucket, name = _split_bucket(url)
    return ObjectPlace(bucket), name


def _split_bucket(url: str) -> tuple[str, str]:
    """The URL of the bucket that a URL begins with, and the rest."""
    scheme, _, rest = url.partition("://")
    parts = rest.split("/")
    n = BUCKET_PARTS[scheme]
    return f"{scheme}://{'/'.join(parts[:n])}", "/".join(parts[n:])


_PROVEN: set[tuple[str, tuple[tuple[str, str], ...]]] = set()  # buckets, and by which environment
_ASK_AGAIN = "is the server there, and AWS_ENDPOINT_URL right? run again"
_HINTS = (
    ("builder error", "an address that begins with http:// takes AWS_ALLOW_HTTP=true"),
    ("NoSuchBucket", "make the bucket, or name another one"),
    (
        "(?i)privileges|credential|forbidden|unauthenticated|169.254",
        "give credentials that may read and write there, by AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    ),
)


def _is_final(error: Exception) -> bool:
    """Whether trying again is of no use."""
    return isinstance(error, _FINAL) or "builder error" in str(error) or "NoSuchBucket" in str(error)


def _waits() -> Iterator[float]:
    """Seconds to wait before an action is tried again, until it took too long."""
    began, wait = time.monotonic(), _FIRST_WAIT
    while time.monotonic() - began < TRY_SECONDS:
        yield wait
        wait = min(2 * wait, _LONGEST_WAIT)


def _buffer(content: bytes | Path) -> Any:  # noqa: ANN401 - any buffer
    """Bytes as they are, and what a file holds without taking memory for it."""
    if isinstance(content, bytes) or not content.stat().st_size:
        return content if isinstance(content, bytes) else b""
    with content.open("rb") as file:
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


def _environment() -> tuple[tuple[str, str], ...]:
    """What a client is made by, so that it is made again where that changes."""
    return tuple(sorted(item for item in os.environ.items() if item[0].startswith(("AWS_", "GOOGLE_", "AZURE_"))))


@lru_cache(maxsize=16)
def _bucket(url: str, environment: tuple[tuple[str, str], ...]) -> Any:  # noqa: ANN401 - a client of any kind
    # What is given here takes the place of all that the environment says of the client, and not only of itself.
    given = {name.partition("_")[2].lower(): value for name, value in environment}
    options: Any = {"timeout": f"{REQUEST_SECONDS} s", **{name: given[name] for name in _OPTIONS if name in given}}
    retries: Any = {"max_retries": 10, "retry_timeout": timedelta(seconds=TRY_SECONDS)}
    _check_addresses(environment)
    try:
        return from_url(url, client_options=options, retry_config=retries)
    except (BaseError, ValueError) as error:
        raise SettingsError(f"{url} cannot be opened: {' '.join(str(error).split())[:_SHOWN]}") from error


def _check_addresses(environment: tuple[tuple[str, str], ...]) -> None:
    """Refuses an address that is none, by which the library would panic at the first request."""
    for name, value in environment:
        if name.endswith(_ADDRESSES) and not _is_address(value):
            shown = re.sub(r"//[^/@]*@", "//", value)[:_SHOWN]
            raise SettingsError(f"{name} is {shown!r}, expected an address such as https://127.0.0.1:9000")


def _is_address(value: str) -> bool:
    try:
        return bool(re.fullmatch(_ADDRESS, value)) and urlsplit(value).port != 0
    except ValueError:  # a port, or an address in brackets, that is none
        return False


_ADDRESSES = ("_ENDPOINT", "_ENDPOINT_URL", "_ENDPOINT_URL_S3", "_PROXY_URL")
_ADDRESS = r"(?i)https?://(?:[\w.%~!$&'()*+,;=:-]*@)?(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::\d+)?(?:/[!-~]*)?"
_OPTIONS = ("allow_http", "connect_timeout", "timeout", "proxy_url", "proxy_ca_certificate", "user_agent")
