"""Brings a model bundle from another store or machine into this one, after checking it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from flows._cli.settings import ROOT
from tasks.seq2seq.errors import Seq2SeqError
from tasks.storage.artifacts.registry import import_bundle
from tasks.storage.store.artifact_store import Store
from tasks.storage.store.manifest import short


def main(argv: list[str] | None = None) -> int:
    """`python -m flows.import_bundle FOLDER`; gives the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m flows.import_bundle",
        description="Copy a model bundle into the artifact store, after checking every file of it. Example: "
        "python -m flows.import_bundle /mnt/other/artifacts/bundle/1a2b3c4d*",
    )
    parser.add_argument("folder", type=Path, help="the bundle's folder, with its manifest.json")
    parser.add_argument("--store", type=Path, default=ROOT / "data" / "artifacts", help="folder of the artifact store")
    options = parser.parse_args(argv)
    store = Store(options.store)
    try:
        store.prepare()
        handle = import_bundle(store, options.folder)
    except Seq2SeqError as error:
        print(f"refused: {error}", file=sys.stderr)
        return 2
    print(f"{handle.path}\nuse it with: --model {short(handle.digest)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
