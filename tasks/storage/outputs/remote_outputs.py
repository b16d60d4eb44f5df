"""Outputs in object stores: put together on this machine, then each file is swapped into its place, the account last.

What was there is replaced only as it was when the file was begun. A valid account is marked first as about to be
replaced, so that it vouches for none of the files that come: whoever is killed in between leaves an output that does
not exist. Of two runs that write one output, the one that finds another's work there gives way: where it is what this
run would have made, that is as good; else its file fails.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from pathlib import Path

from tasks.seq2seq.errors import DataError
from tasks.storage.files.places import Place
from tasks.storage.outputs.accounts import ACCOUNT, Account, OutputPlace, read_account

MOST_BYTES = 5 * 2**30  # that S3 takes in one request, which a condition needs
Seen = dict[str, str | None]  # stamps of what is there, by names


def look_at_output(place: OutputPlace, suffix: str) -> Seen:
    """What stands where an output goes, before it is made."""
    if place.remote is None:
        return {}
    paths = (place.output(suffix), place.rejects, place.picture, place.account)
    return {name: _stamp(place.remote, name) for name in (place.name_of(path) for path in paths)}


def _stamp(remote: Place, name: str) -> str | None:
    entry = remote.look(name)
    return entry.stamp if entry else None


def send_output(place: OutputPlace, remote: Place, files: Mapping[Path, Path], account: Account, seen: Seen) -> Account:
    """Puts an output in its place.

    Args:
        place: of the output.
        remote: where outputs go.
        files: what was made, by the paths that it would have on this machine.
        account: that vouches for it.
        seen: what stood there when this run began with the file.

    Returns:
        The account that is there: another run's, where that made the same.

    Raises:
        DataError: another run has written another output meanwhile; or a file is too large.
    """
    for made in files.values():
        _check_size(place, made)
    before, at = f"{place.name}{ACCOUNT}", seen[f"{place.name}{ACCOUNT}"]
    former = read_account(place) if at else None
    if at is not None:
        at = remote.swap(before, json.dumps({"replaced_by": secrets.token_hex(16)}).encode(), at)
        if at is None:
            return _given_way(place, account)
    for path, made in files.items():
        name = place.name_of(path)
        if remote.swap(name, made, seen[name]) is None:
            return _given_way(place, account)
    if remote.swap(before, account.sealed_json().encode(), at) is None:
        return _given_way(place, account)
    if isinstance(former, Account):
        remote.delete([name for name in former.files if name not in account.files])
    return account


def _check_size(place: OutputPlace, made: Path) -> None:
    if (n_bytes := made.stat().st_size) > MOST_BYTES:
        raise DataError(
            f"{place.file.path} gives a file of {n_bytes:,} bytes, more than the {MOST_BYTES:,} that an object store "
            f"takes at once; predict it in parts, or into a folder"
        )


def _given_way(place: OutputPlace, account: Account) -> Account:
    theirs = read_account(place)
    if isinstance(theirs, Account) and theirs.lineage.key == account.lineage.key and theirs.files == account.files:
        return theirs
    raise DataError(
        f"{place.file.path}: another run wrote to {place.shown} meanwhile; what it wrote stays: run again, one after "
        f"the other, or predict into two places"
    )
