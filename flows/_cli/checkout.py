"""Where the project lies: it runs from its checkout."""

from __future__ import annotations

from pathlib import Path

from tasks.seq2seq.settings.where import Where, as_where

ROOT = Path(__file__).parent.parent.parent


def from_root(store: Where) -> Where:
    """A store as a flow was given it; a relative path is read from the checkout."""
    where = as_where(store, "store")
    return ROOT / where if isinstance(where, Path) else where
