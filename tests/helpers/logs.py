"""What steps log."""

import contextlib
import logging


class _Keeping(logging.Handler):
    """Keeps the messages that it is given."""

    def __init__(self):
        super().__init__()
        self.messages = []

    def emit(self, record):
        self.messages.append(record.getMessage())


@contextlib.contextmanager
def listening():
    """Gives a list to which each message that a step logs meanwhile is added."""
    handler, logger = _Keeping(), logging.getLogger("prefect.tasks")
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield handler.messages
    logger.removeHandler(handler)
    logger.setLevel(before)
