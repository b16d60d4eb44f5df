"""Where things lie: a path, or the URL of a place in an object store."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

from pydantic import Field

from tasks.seq2seq.errors import SettingsError

_URL = r"^[A-Za-z][A-Za-z0-9+.-]*://"
# By scheme: how many parts of a URL name the bucket, or what is one elsewhere.
BUCKET_PARTS = {"s3": 1, "gs": 1, "az": 2}

Url = Annotated[str, Field(pattern=_URL)]
Where = Url | Path  # of text, what looks like a URL is one, whichever way it comes in


def is_url(where: Path | str) -> bool:
    """Whether it is a URL; text that is none is a path."""
    return isinstance(where, str) and bool(re.match(_URL, where))


def name_of(where: Where) -> str:
    """The last part of it."""
    return str(where).rsplit("/", 1)[-1]


def link_to(where: str) -> str:
    """The URL of a place, that of a file where it is a path."""
    return where if is_url(where) else Path(where).absolute().as_uri()


def as_where(where: Path | str, name: str) -> Where:
    """A place by what somebody wrote.

    Raises:
        SettingsError: it is a URL of no place.
    """
    return check_url(where, name) if isinstance(where, str) and is_url(where) else Path(where)


def check_url(url: str, name: str) -> str:
    """The URL of a place without what says nothing.

    Args:
        url: of a scheme that object stores have.
        name: of the setting, for messages.

    Raises:
        SettingsError: it is another URL, or holds credentials, which are shown in no message.
    """
    scheme, _, rest = url.partition("://")
    if "@" in rest.split("/")[0]:
        raise SettingsError(
            f"{name} is a URL with credentials in it, which would be shown; give them by the environment, such as "
            f"AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        )
    if scheme.lower() not in BUCKET_PARTS:
        raise SettingsError(
            f"{name} is {url!r}, expected a path, or a URL that begins with s3://, gs:// or az://; what lies "
            f"elsewhere: copy it here first, or mount it"
        )
    parts = rest.rstrip("/").split("/")
    if len(parts) < BUCKET_PARTS[scheme.lower()] or {"", ".", ".."} & set(parts):
        raise SettingsError(f"{name} is {url!r}, which names no place; expected such as s3://bucket/folder")
    return f"{scheme.lower()}://{'/'.join(parts)}"
