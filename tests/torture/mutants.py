"""Files with something wrong in their bytes, by the hundred, through the command that predicts."""

from __future__ import annotations

import gzip
import io
import json
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tests.torture.commands import Command

SOURCES = [[i % 50 + 1, 2, 3, 4, 5, i % 7 + 1] for i in range(30)]
SECONDS_A_FILE = 10.0


def sound(form: str) -> bytes:
    """A file of 30 rows of a format, as it should be."""
    text = "source\n" + "".join(f'"{row}"\n' for row in SOURCES)
    lines = "".join(json.dumps({"source": row, "beside": f"é{i}"}) + "\n" for i, row in enumerate(SOURCES))
    table = pa.table({"source": pa.array(SOURCES, pa.list_(pa.int32())), "beside": list(map(str, range(30)))})
    out = io.BytesIO()
    if form == "parquet":
        pq.write_table(table, out)
    elif form == "arrow":
        with pa.ipc.new_file(out, table.schema) as writer:
            writer.write_table(table)
    elif form == "npz":
        np.savez_compressed(out, source=np.array(SOURCES))
    else:
        plain = {"csv": text, "tsv": text.replace('"', ""), "jsonl": lines}[form.split(".", maxsplit=1)[0]].encode()
        compressed = {"gz": gzip.compress, "zst": lambda data: pa.compress(data, "zstd", asbytes=True)}
        out.write(compressed[form.split(".")[1]](plain) if "." in form else plain)
    return out.getvalue()


FORMS = ("csv", "tsv", "jsonl", "csv.gz", "jsonl.zst", "npz", "parquet", "arrow")


def mutants(form: str, n: int, seed: int) -> Iterator[bytes]:
    """Files that differ from the sound one by a few bits, bytes or pieces."""
    rng, whole = random.Random(f"{form}-{seed}"), sound(form)  # noqa: S311 - not for secrets
    for _ in range(n):
        data = bytearray(whole)
        for _ in range(rng.choice((1, 1, 1, 2, 8))):
            _mutate(data, rng)
        yield bytes(data)


def _mutate(data: bytearray, rng: random.Random) -> None:
    at = rng.randrange(len(data)) if data else 0
    to = min(len(data), at + rng.choice((1, 4, 64)))
    match rng.randrange(7) if data else 3:
        case 0 | 1:
            data[at] ^= 1 << rng.randrange(8)
        case 2:
            del data[at:to]
        case 3:
            data[at:at] = rng.randbytes(rng.choice((1, 4, 64)))
        case 4:
            data[at:at] = data[at:to] * rng.choice((1, 3))
        case 5:
            data[at:to] = bytes(to - at)
        case _:
            del data[at:]


def predict_mutants(form: str, n: int, seed: int, store: Path, folder: Path) -> tuple[Counter[str], list[str]]:
    """Predicts mutants of a format with worker processes.

    Returns:
        What became of them, counted; and what is wrong with that.
    """
    inbox, output = folder / "inbox", folder / "out"
    inbox.mkdir(parents=True)
    for i, data in enumerate(mutants(form, n, seed)):
        (inbox / f"{i}.{form}").write_bytes(data)
    words = ("--store", store, "--settle", "0", "--runner.kind", "processes", "--summary", folder / "summary.json")
    command = Command(folder, "batch_predict", inbox, "--output", output, "--quiet", *words)
    ran = command.run(60 + n * SECONDS_A_FILE)
    faults = [f"a traceback: {ran.said[-2000:]}"] * ("Traceback" in ran.said)
    if ran.code not in (0, 1):
        return Counter(), [*faults, f"exit code {ran.code}: {ran.said[-2000:]}"]
    if not (folder / "summary.json").exists():
        return Counter(), [*faults, f"no summary: {ran.said[-2000:]}"]
    summary = json.loads((folder / "summary.json").read_text())
    found = Counter(
        "survived an abort" if "it ended the process" in file["reason"] else file["state"] for file in summary["files"]
    )
    if sum(found.values()) != n:
        faults.append(f"{sum(found.values())} of {n} files are told of")
    faults += [fault for file in summary["files"] if (fault := _account_fault(file, output))]
    return found, [*faults, *(f"lives on: {one}" for one in command.orphans())]


def _account_fault(file: dict[str, object], output: Path) -> str | None:
    """What is wrong with the account of a file, or its output."""
    if file["state"] != "predict":
        return None
    account = json.loads((output / f"{file['name']}.account.json").read_text())
    n_rows = len(pq.read_table(output / f"{file['name']}.parquet"))
    n_rejects = len(pq.read_table(output / f"{file['name']}.rejects.parquet"))
    if (account["predicted"], account["rejected"]) != (n_rows, n_rejects) or account["read"] != n_rows + n_rejects:
        return f"{file['name']}: {account['read']} read, {n_rows} predicted, {n_rejects} rejected"
    return None
