"""A command: what it is asked for is read and checked first, and only then what it does is imported.

Nothing here imports Prefect, nor does any module of `commands`, so that help and refusals come at once.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic

from flows._cli.interruption import working
from flows._cli.settings import Options, SomeOptions, SomeSettings, Tree, read_settings
from flows._server import local as _server
from flows._server.credentials import without_credentials
from tasks.seq2seq.errors import Seq2SeqError
from tasks.seq2seq.settings.section import Section
from tasks.seq2seq.shown import shown_lines
from tasks.storage.files.atomic import check_writable, write_atomically
from tasks.storage.store.artifact_store import Store

EXIT_SUCCESS, EXIT_FAILED, EXIT_REFUSED, EXIT_INTERRUPTED = 0, 1, 2, 130
EXIT_NO_READER = 141
OUT_OF_MEMORY = (
    "there is not enough memory; what was begun is removed and finished steps are kept: free memory, or lower "
    "training.batch_size or --chunk-rows, then run the same command again"
)

Summary = dict[str, Any]


def _refuse_nothing(_settings: Section, _options: Options) -> None:
    """For a command whose settings say all that there is to check."""


@dataclass(frozen=True)
class Command(Generic[SomeSettings, SomeOptions]):
    """What a command is asked for; what it does is `work(settings, options)` of its module in flows/.

    Args:
        name: of the module in flows/.
        description: the first lines of `--help`; what follows `Example: ` is shown on a line of its own.
        tree: its settings.
        options: what it takes beside them.
        check: refuses input that cannot be worked on, before any work starts.
        first: its ten settings and options that matter most, which `--help` is about; none where all are few.
        fills_store: whether it writes to the store, which is then refused where it cannot be written.
    """

    name: str
    description: str
    tree: Tree[SomeSettings]
    options: type[SomeOptions]
    check: Callable[[SomeSettings, SomeOptions], None] = _refuse_nothing
    first: tuple[str, ...] = ()
    fills_store: bool = True

    @property
    def program(self) -> str:
        """How it is called."""
        return f"python -m flows.{self.name}"

    @property
    def purpose(self) -> str:
        """The first sentence of the description."""
        return self.description.partition("Example: ")[0].strip().partition(". ")[0].removesuffix(".")

    def accept(self, argv: list[str]) -> tuple[SomeSettings, SomeOptions]:
        """The settings and options of a command line, with which work can start.

        Raises:
            Seq2SeqError: they are refused.
            SystemExit: for `--help` or `--help-all`, which it prints.
        """
        settings, options = read_settings(self.tree, self.options, argv, self.program, self.description, self.first)
        self.check(settings, options)
        check_writable(options.summary, "--summary")
        if self.fills_store and not options.makes_nothing:
            Store(options.store).prepare()
        return settings, options


def run_command(command: Command[SomeSettings, SomeOptions], argv: list[str] | None = None) -> int:
    """Runs a command and gives its exit code: 0 success, 1 failed, 2 refused before any work started.

    Where whoever reads its output has left, as `head` does, it is 141, which shells show of a process that ended so.
    """
    try:
        code = _run(command, argv)
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes once more at its end
        return EXIT_NO_READER
    return code


def _run(command: Command[SomeSettings, SomeOptions], argv: list[str] | None) -> int:
    try:
        settings, options = command.accept(sys.argv[1:] if argv is None else argv)
        work: Callable[[SomeSettings, SomeOptions], int] = importlib.import_module(f"flows.{command.name}").work
        with working():
            return work(settings, options)
    except SystemExit as ended:
        return int(ended.code or EXIT_SUCCESS)
    except Seq2SeqError as error:
        say(f"refused: {error}")
        return EXIT_REFUSED
    except MemoryError:
        say(f"failed: {OUT_OF_MEMORY}")
        return EXIT_FAILED
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    finally:
        _server.end_begun()


@dataclass(frozen=True)
class Work(Generic[SomeSettings, SomeOptions]):
    """The work of a command that runs no flow.

    Args:
        run: does it and gives its summary.
        show: prints the summary.
    """

    run: Callable[[SomeSettings, SomeOptions], Summary]
    show: Callable[[Summary], None]

    def __call__(self, settings: SomeSettings, options: SomeOptions) -> int:
        """Does it and tells the result; gives the exit code."""
        summary = self.run(settings, options)
        write_summary(options.summary, summary)
        if not options.quiet:
            self.show(summary)
        return EXIT_SUCCESS


def write_summary(path: Path | None, summary: Summary) -> None:
    """Writes the result as JSON, where that is asked for."""
    if path:
        write_atomically(path, without_credentials(json.dumps(summary, indent=1, default=str)))


def say(message: str) -> None:
    """Tells the user what is no result; nothing in it acts on the terminal."""
    print(shown_lines(without_credentials(message)), file=sys.stderr, flush=True)


def put(message: str) -> None:
    """Tells the user a result; nothing in it acts on the terminal, whatever files and columns are called."""
    print(shown_lines(message))
