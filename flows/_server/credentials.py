"""Passwords in URLs: shown nowhere, and given to Prefect in the setting that is meant for them.

Only the standard library is imported here: a command starts its server before anything else.
"""

from __future__ import annotations

import re
import urllib.parse

# A path that was made of a URL has one slash.
_USERINFO = re.compile(
    r"(?P<scheme>\b[a-z][a-z0-9+.-]*:/{1,2})"
    r"(?:[^/\s?#\"'\\]*@|[^/\s:@\"'\\]+:(?!\d+[/?#])[^\s@\"'\\]*@)",  # the second: a password that holds a slash
    re.IGNORECASE,
)
_IN_QUERY = re.compile(
    r"(?P<name>[?&][\w.-]*(?:token|key|secret|passw|pwd|sig|auth)[\w.-]*=)[^&#\s\"'\\]+", re.IGNORECASE
)


def without_credentials(text: str) -> str:
    """A text with the URLs in it freed of user, password, and what a query names as a secret."""
    return _IN_QUERY.sub(r"\g<name>***", _USERINFO.sub(r"\g<scheme>", text))


def split_credentials(url: str) -> tuple[str, str | None]:
    """A URL without its credentials, and these as `user:password`; None where it has none."""
    parts = urllib.parse.urlsplit(url)
    userinfo, at, host = parts.netloc.rpartition("@")
    if not at:
        return url, None
    return urllib.parse.urlunsplit(parts._replace(netloc=host)), urllib.parse.unquote(userinfo)
