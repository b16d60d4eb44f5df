"""Whether a Dask cluster can do this run's work: the same code, the same libraries, the same files."""

from __future__ import annotations

import importlib.metadata
import platform
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.runtime.code import code_digest
from tasks.runtime.packages import installed_engine
from tasks.seq2seq.errors import Seq2SeqError, SettingsError
from tasks.seq2seq.settings.where import is_url

if TYPE_CHECKING:
    from distributed import Client

_CODE = "tasks.predict_worker"
_LIBRARIES = ("numpy", "pyarrow", "dask", "distributed")
_SHOWN = 20  # lines of a refusal


def describe(paths: list[str]) -> dict[str, Any]:
    """What this process has.

    Args:
        paths: paths and URLs, of each of which is said: the size of the file, -1 of a folder, None where there is
            nothing, or what keeps an object store from being reached.
    """
    return {
        "python": ".".join(platform.python_version_tuple()[:2]),
        **{name: importlib.metadata.version(name) for name in _LIBRARIES},
        "engine": installed_engine(),
        "code": code_digest(_CODE),
        "paths": {path: _object_size(path) if is_url(path) else _size(Path(path)) for path in paths},
    }


def _size(path: Path) -> int | None:
    try:
        return -1 if path.is_dir() else path.stat().st_size
    except OSError:
        return None


def _object_size(url: str) -> int | str | None:
    from tasks.storage.files.object_places import split_url  # noqa: PLC0415 - it loads a library

    try:
        place, name = split_url(url)
        found = place.look(name)
    except Seq2SeqError as error:
        return str(error)
    return found.size if found else None


def check_workers(client: Client, paths: list[str] | None = None) -> int:
    """Asks the scheduler and every worker; gives how many threads there are.

    Raises:
        SettingsError: there is no worker, or one has not what this process has; with what is missing, and where.
    """
    here = describe(paths or [])
    threads = client.nthreads()
    if not threads:
        raise SettingsError("the Dask cluster of runner.address has no worker; start some")
    found = client.run(describe, paths or [], on_error="return")
    try:
        found["the scheduler"] = {**client.run_on_scheduler(describe, []), "paths": here["paths"]}
    except Exception as error:  # noqa: BLE001 - whatever it is, the scheduler cannot do it
        found["the scheduler"] = error
    faults = [f"{where}: {fault}" for where, has in sorted(found.items()) for fault in _faults(here, has)]
    if faults:
        more = [f"and {len(faults) - _SHOWN} more"] if len(faults) > _SHOWN else []
        raise SettingsError("\n".join(["the Dask cluster cannot do this work:", *faults[:_SHOWN], *more]))
    return sum(threads.values())


def _faults(here: dict[str, Any], there: dict[str, Any] | Exception) -> list[str]:
    """What somebody lacks, a sentence each."""
    if isinstance(there, Exception):
        checkout = Path(__file__).parents[2]
        why = f"{type(there).__name__}: {there}"
        return [f"it cannot load this program ({why}); start it with PYTHONPATH={checkout}, in the same environment"]
    faults = []
    for name in ("python", *_LIBRARIES, "engine"):
        if here[name] != there[name]:
            what = "prediction runs on" if name == "engine" else name
            faults.append(f"{what} {there[name]}, expected {here[name]} as here")
    if here["code"] != there["code"]:
        faults.append("another version of this program; check the same commit out, and start it again")
    for path, size in here["paths"].items():
        if there["paths"][path] != size:
            faults.append(_unseen(path, there["paths"][path]))
    return faults


def _unseen(path: str, seen: int | str | None) -> str:
    """What is wrong with what somebody sees of a file."""
    if isinstance(seen, str):
        return f"{seen} (its environment is what counts there)"
    remedy = "give it the same AWS_ENDPOINT_URL" if is_url(path) else "mount the same folder at the same place"
    return f"{path} is {'nothing' if seen is None else 'something else'} there; {remedy}"
