"""Brings a model bundle from another store or machine into this one, after checking it."""

from __future__ import annotations

import sys

if __name__ == "__main__" and not __package__:  # a script cannot import what is ours
    print("refused: in the folder of the checkout, type: python -m flows.import_bundle", file=sys.stderr)
    sys.exit(2)

from flows._cli.start import start

if __name__ == "__main__":
    sys.exit(start("import_bundle", may_load_tensorflow=True))

from flows._cli.command import Summary, Work, put, run_command
from flows._cli.commands.import_bundle import COMMAND, ImportSettings
from flows._cli.settings import Options
from flows._cli.start import native_messages_aside
from tasks.storage.artifacts.bundle_import import import_bundle
from tasks.storage.store.artifact_store import Store
from tasks.storage.store.manifest import short


def bring_in(settings: ImportSettings, options: Options) -> Summary:
    """Copies the bundle, checked, or makes a new one of a former format, and says where it lies."""
    with native_messages_aside():
        handle = import_bundle(Store(options.store), settings.folder)
    return {"digest": handle.digest, "path": str(handle.path)}


def show(summary: Summary) -> None:
    """Prints where the bundle lies, and how it is used."""
    put(f"{summary['path']}\nuse it with: --model {short(summary['digest'])}")


work = Work(run=bring_in, show=show)


def main(argv: list[str] | None = None) -> int:
    """`python -m flows.import_bundle FOLDER`; gives the exit code."""
    return run_command(COMMAND, argv)
