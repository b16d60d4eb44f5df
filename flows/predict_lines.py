"""Predicts lines that are given, typed or piped in: no server, no files, an answer a line."""

from __future__ import annotations

import sys

if __name__ == "__main__" and not __package__:  # a script cannot import what is ours
    print("refused: in the folder of the checkout, type: python -m flows.predict_lines", file=sys.stderr)
    sys.exit(2)

from flows._cli.start import start

if __name__ == "__main__":
    sys.exit(start("predict_lines"))

import os
from collections.abc import Iterator
from typing import Protocol, cast

from flows._cli.command import EXIT_FAILED, EXIT_SUCCESS, put, run_command, say, write_summary
from flows._cli.commands.predict_lines import COMMAND, LinesSettings
from flows._cli.settings import Options
from tasks.predict import load_predictor
from tasks.seq2seq.errors import DataError
from tasks.storage.files.limits import ROW_BYTES

READ_BYTES = 2**16  # the most that are predicted at once; fewer are not waited for


class Stream(Protocol):
    """What gives bytes as they come."""

    def read1(self, size: int, /) -> bytes:
        """Some bytes, at most `size`; none at its end."""


def work(settings: LinesSettings, options: Options) -> int:
    """Answers each line with one; gives the exit code, 1 where a line could not be predicted."""
    predictor = load_predictor(settings.model, options.store, settings.decoding)
    n_lines = n_rejected = 0
    for lines in _given(settings, options):
        for number, line in enumerate(predictor.predict_lines(lines), start=n_lines + 1):
            put(line.prediction or "")
            if line.reason is not None:
                n_rejected += 1
                say(f"line {number:,} cannot be predicted: {line.reason}")
        sys.stdout.flush()
        n_lines += len(lines)
    write_summary(options.summary, {"bundle": predictor.digest, "read": n_lines, "rejected": n_rejected})
    return EXIT_FAILED if n_rejected else EXIT_SUCCESS


def _given(settings: LinesSettings, options: Options) -> Iterator[list[bytes]]:
    """The lines, some at a time."""
    if settings.lines:
        yield [os.fsencode(line) for line in settings.lines]
        return
    if sys.stdin.isatty() and not options.quiet:
        say("Type a line and press Enter; Ctrl-D ends.")
    yield from read_lines(cast("Stream", sys.stdin.buffer))


def read_lines(file: Stream) -> Iterator[list[bytes]]:
    """The lines of a stream without their ends, as many at a time as are there.

    Raises:
        DataError: a line is longer than a row of a file may be.
    """
    rest = b""
    while new := file.read1(READ_BYTES):
        *lines, rest = (rest + new).split(b"\n")
        if len(rest) > ROW_BYTES:
            raise DataError(f"a line is longer than {ROW_BYTES // 2**20} MiB, the most that a row may have")
        if lines:
            yield [line.removesuffix(b"\r") for line in lines]
    if rest:
        yield [rest.removesuffix(b"\r")]


def main(argv: list[str] | None = None) -> int:
    """`python -m flows.predict_lines`; gives the exit code."""
    return run_command(COMMAND, argv)
