"""Names of Prefect's artifacts, which take small letters, digits and dashes alone."""

from __future__ import annotations

import re


def artifact_key(kind: str, name: str) -> str:
    """The key under which artifacts of one kind about one thing stand together: `report-g2p`."""
    return f"{kind}-{re.sub('[^a-z0-9]+', '-', name.lower()).strip('-')}"
