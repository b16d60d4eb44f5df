"""The one error family: a class a phase, each message fit for the person who can mend it.

A message says what was expected, what came, where (file, row, column, key) and what to do.
"""


class Seq2SeqError(Exception):
    """Anything that goes wrong for a reason that the user can act on; shown without a traceback."""


class SettingsError(Seq2SeqError):
    """Settings that cannot be run; raised before any work starts."""


class DataError(Seq2SeqError):
    """A file or a row that does not hold what the experiment says."""


class TrainingError(Seq2SeqError):
    """Training that cannot go on, such as a loss that is no longer a number."""


class ArtifactError(Seq2SeqError):
    """An artifact or a store that is missing, altered, of another format, or cannot be written."""


class ExportError(Seq2SeqError):
    """An export that does not answer as the trained model does; it is not published."""


class ServerError(Seq2SeqError):
    """A Prefect server that is configured but not there, or that does not start."""
