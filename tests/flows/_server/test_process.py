"""What the local server says when it ends."""

import asyncio
import logging
import sys

import pytest

from flows._server.process import is_news


@pytest.mark.parametrize(("error", "news"), [(asyncio.CancelledError(), False), (OSError("disk"), True)])
def test_a_write_that_the_end_cuts_off_is_no_error_but_a_failed_one_is(error, news):
    try:
        raise error
    except type(error):
        record = logging.LogRecord("recorder", logging.ERROR, __file__, 1, "flush", (), sys.exc_info())
    assert is_news(record) is news


def test_a_message_without_an_error_is_said():
    assert is_news(logging.LogRecord("recorder", logging.ERROR, __file__, 1, "flush", (), None))
