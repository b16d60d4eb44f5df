"""The one error family: a class a phase, each message fit for the person who can mend it.

A message says what was expected, what came, where (file, row, column, key) and what to do.
"""

from __future__ import annotations

from tasks.seq2seq.shown import shown_lines


class Seq2SeqError(Exception):
    """Anything that goes wrong for a reason that the user can act on; shown without a traceback."""

    def __str__(self) -> str:
        """The message, in which nothing acts on a terminal or a log: much of it comes from files."""
        return shown_lines(super().__str__())


class SettingsError(Seq2SeqError):
    """Settings that cannot be run; raised before any work starts."""


class DataError(Seq2SeqError):
    """A file or a row that does not hold what the experiment says."""


class TrainingError(Seq2SeqError):
    """Training that cannot go on, such as a loss that is no longer a number."""


class ArtifactError(Seq2SeqError):
    """An artifact or a store that is missing, altered, of another format, or cannot be written."""


class PlaceError(Seq2SeqError):
    """A place in an object store that does not answer, or lets nobody in."""


class ExportError(Seq2SeqError):
    """An export that does not answer as the trained model does; it is not published."""


class ServerError(Seq2SeqError):
    """A Prefect server that is configured but not there, or that does not start."""
